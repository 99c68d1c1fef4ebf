"""Whatever is sent as a body, the answer is a 4xx in the error shape and nothing is stored."""

import json

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testproject.models import Note

pytestmark = pytest.mark.django_db

BODY_LIMIT = 1_048_576


def post(client, body, path="/notes", content_type="application/json", **headers):
    return client.generic("POST", path, body, content_type, headers=headers)


def assert_refused(response, status, code):
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code)
    assert set(body) == {"error", "message", "code", "correlationId", "details"}
    assert body["correlationId"] == response["X-Correlation-ID"]
    assert Note.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        (b'{"text": "\\u0000"}', "invalid_json"),
        (b'{"text": "\\ud800"}', "invalid_json"),
        (b'{"text": "a", "text": "b"}', "invalid_json"),
        (b'{"pricePaid": 1, "price_paid": 2}', "duplicate_key"),
        (b'{"text": "a", "pricePaid": NaN}', "invalid_json"),
        (b'{"text": "a", "pricePaid": 1e999}', "invalid_json"),
        (b'{"text": "a", "pricePaid": ' + b"9" * 5000 + b"}", "invalid_json"),
        (b"[" * 20_000 + b"]" * 20_000, "too_deep"),
        (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "too_deep"),
        (b"7", "invalid_json"),
        (b"null", "invalid_json"),
        (b'"text"', "invalid_json"),
        (b"[]", "invalid_input"),
        (b'[{"text": "a"}]', "invalid_input"),
        (b"{}", "invalid_input"),
        (b'{"text": {"a": 1}}', "invalid_input"),
        (b'{"text": ["a"]}', "invalid_input"),
        (b'{"text": null}', "invalid_input"),
        (b'{"text": "a", "pricePaid": "free"}', "invalid_input"),
        (b'{"text": "a", "pricePaid": 1e300}', "invalid_input"),
        (b'{"text": "a", "pricePaid": {}}', "invalid_input"),
        (b'{"text": "a", "surprise": 1}', "invalid_input"),
        (b'{"text": "a", "x_y": 1, "x__y": 2}', "invalid_input"),
        (b'{"text": "a", "createdAt": "2020-01-01T00:00:00Z"}', "invalid_input"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_written(client, body, code):
    assert_refused(post(client, body), 400, code)


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("text/plain", {}),
        ("", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}),
        ("application/xml", {}),
        ("application/json; charset=utf-16", {}),
        ("application/json; charset=bz2_codec", {}),
        ("application/json; charset=klingon", {}),
        ("application/json", {"Content-Encoding": "gzip"}),
        ("not a content type", {}),
    ],
)
def test_a_body_that_is_no_plain_utf8_json_is_an_unsupported_media_type(client, content_type, headers):
    assert_refused(
        post(client, b'{"text": "a"}', content_type=content_type, **headers), 415, "unsupported_media_type"
    )


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_json_in_utf8_is_read_however_it_is_announced(client, content_type):
    response = post(client, '{"text": "é"}'.encode(), content_type=content_type)
    assert response.status_code == 201
    assert Note.objects.get().text == "é"


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_413(client):
    room = BODY_LIMIT - len(b'{"text":""}')
    at_limit = b'{"text":"' + b"x" * room + b'"}'
    assert_refused(post(client, at_limit), 400, "invalid_input")
    assert_refused(post(client, at_limit + b" "), 413, "body_too_large")


def test_a_django_view_that_reads_the_body_itself_is_protected_too(client):
    assert post(client, b"x" * BODY_LIMIT, path="/form", content_type="text/plain").content == b"1048576"
    assert_refused(
        post(client, b"x" * (BODY_LIMIT + 1), path="/form", content_type="text/plain"), 413, "body_too_large"
    )


@pytest.mark.parametrize("length", ["-5", "+5", "5x", "1e3", "٥", "9" * 40])
def test_a_content_length_that_is_no_number_is_refused(client, length):
    response = client.generic("POST", "/notes", b'{"text": "a"}', "application/json", CONTENT_LENGTH=length)
    assert_refused(response, 400, "invalid_request")


def test_the_refused_fields_are_named_as_the_client_wrote_them(client):
    response = post(client, b'{"text": "a", "pricePaid": "free", "createdAt": 1, "isAdmin": true}')
    assert response.json()["details"] == {
        "createdAt": ["This field cannot be set."],
        "isAdmin": ["Unknown field."],
    }


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.binary(max_size=300) | st.one_of(
    JSON_VALUES,
    st.fixed_dictionaries(
        {}, optional={"text": JSON_VALUES, "pricePaid": JSON_VALUES, "createdAt": JSON_VALUES}
    ),
).map(lambda value: json.dumps(value).encode())


@given(body=BODIES)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_body_at_all_makes_a_server_error(db, body):
    client = Client(raise_request_exception=True)
    before = Note.objects.count()
    response = post(client, body)
    assert response.status_code in (201, 400)
    assert Note.objects.count() == before + (response.status_code == 201)
    assert response["Content-Type"] == "application/json"
