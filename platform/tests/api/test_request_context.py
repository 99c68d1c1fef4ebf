"""Headers in and out, deadlines, log lines: what surrounds a request."""

import re

import pytest
from django.test import AsyncClient

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
GOOD = "shop-4711-abcdef"


def test_a_well_formed_correlation_id_is_carried_through(client):
    response = client.get("/echo", headers={"X-Correlation-ID": GOOD})
    assert response["X-Correlation-ID"] == GOOD
    assert response.json()["correlationId"] == GOOD


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "short",
        "x" * 65,
        "has spaces in it",
        'quote"quote"',
        "<script>x</script>",
        "né-té-né-té",
        "a_b_c_d_e_f",
    ],
)
def test_a_malformed_correlation_id_is_replaced_and_appears_nowhere(client, caplog, malformed):
    response = client.get("/echo", headers={"X-Correlation-ID": malformed, "X-Request-ID": malformed})
    assert UUID7.fullmatch(response["X-Correlation-ID"])
    assert UUID7.fullmatch(response["X-Request-ID"])
    assert response.json()["correlationId"] == response["X-Correlation-ID"]


def test_every_request_without_one_gets_an_id_of_its_own(client):
    first, second = client.get("/echo"), client.get("/echo")
    assert first["X-Correlation-ID"] != second["X-Correlation-ID"]
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_an_answer_tells_who_gave_it_and_how_long_it_took(client):
    response = client.get("/echo")
    assert response["X-Service-Name"] == "library-service"
    assert 0 <= float(response["X-Response-Time"]) < 10_000


def test_the_callers_deadline_is_known_to_the_work(client):
    assert client.get("/echo", headers={"X-Deadline-Ms": "2500"}).json()["hasDeadline"] is True
    assert client.get("/echo").json()["hasDeadline"] is False


@pytest.mark.parametrize("malformed", ["soon", "", "1.5", "1e9", "99999999999", "٥٥"])
def test_a_malformed_deadline_is_ignored(client, malformed):
    assert client.get("/echo", headers={"X-Deadline-Ms": malformed}).json()["hasDeadline"] is False


@pytest.mark.parametrize("left_ms", ["0", "-20"])
@pytest.mark.django_db
def test_a_request_whose_caller_has_gone_is_not_worked_on(client, left_ms):
    from testproject.models import Note

    response = client.post(
        "/notes", data={"text": "late"}, content_type="application/json", headers={"X-Deadline-Ms": left_ms}
    )
    assert (response.status_code, response.json()["code"]) == (503, "service_unavailable")
    assert Note.objects.count() == 0


def test_each_request_is_one_log_line(client, caplog):
    caplog.set_level("INFO", logger="atoll.access")
    client.get("/failing/not-found", headers={"X-Service-Name": "order-service"})
    (record,) = [record for record in caplog.records if record.name == "atoll.access"]
    line = {key: getattr(record, key) for key in ("method", "path", "route", "status", "caller")}
    assert line == {
        "method": "GET",
        "path": "/failing/not-found",
        "route": "/failing/<str:how>",
        "status": 404,
        "caller": "order-service",
    }


def test_probes_do_not_fill_the_log(client, caplog):
    caplog.set_level("INFO", logger="atoll.access")
    client.get("/health/live")
    assert [record for record in caplog.records if record.name == "atoll.access"] == []


async def answer(path: str, **headers: str):
    return await AsyncClient().get(path, headers=headers)


def test_an_async_view_has_the_same_context():
    from asgiref.sync import async_to_sync

    response = async_to_sync(answer)("/async", **{"X-Correlation-ID": GOOD})
    assert (response.content.decode(), response["X-Correlation-ID"]) == (GOOD, GOOD)
