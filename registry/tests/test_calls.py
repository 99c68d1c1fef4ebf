"""The five calls, as clients in any language use them. A refused call changes nothing."""

import asyncio

import pytest

from atoll.errors import InvalidInput
from registry.http import limits, messages
from registry.models import Instance, JournalEntry, Service
from registry.tests.conftest import SERVICE

INSTANCE = {"id": "o-1", "host": "127.0.0.1", "port": 8002, "metadata": {"version": "1"}}
REGISTRATION = {"serviceName": SERVICE, "instance": INSTANCE}


def ask(wire, *args, **options):
    return asyncio.run(wire(*args, **options))


def with_instance(**fields):
    return REGISTRATION | {"instance": INSTANCE | fields}


def nothing_registered():
    return not Instance.objects.exists() and not Service.objects.exists()


def test_an_instance_goes_through_its_life(wire):
    named = {"serviceName": SERVICE, "instanceId": "o-1"}

    registered = ask(wire, "POST", "/register", REGISTRATION)
    assert registered.status == 201
    assert registered.body == {
        "status": "registered",
        "serviceName": SERVICE,
        "instanceId": "o-1",
        "index": 2,
        "leaseS": 60,
        "heartbeatS": 15,
    }
    assert ask(wire, "POST", "/register", REGISTRATION).status == 200
    assert ask(wire, "POST", "/heartbeat", named).body == {"status": "ok"}

    found = ask(wire, "GET", f"/discover/{SERVICE}")
    assert (found.status, found.index, found.body) == (200, 2, [INSTANCE])

    assert ask(wire, "POST", "/deregister", named).body == {"status": "deregistered"}
    assert ask(wire, "GET", f"/discover/{SERVICE}").body == []
    assert ask(wire, "POST", "/heartbeat", named).status == 404
    late = ask(wire, "POST", "/register", REGISTRATION)
    assert (late.status, late.body["code"]) == (409, "instance_deregistered")


def test_everything_is_listed_with_health_and_last_heartbeat(wire):
    ask(wire, "POST", "/register", REGISTRATION)

    (service,) = ask(wire, "GET", "/services").body
    (instance,) = service.pop("instances")
    assert service == {"name": SERVICE, "index": 2, "healthy": 1, "lastKnown": 0, "total": 1}
    assert instance["status"] == "healthy"
    assert 0 <= instance["lastHeartbeatAgeS"] < 10
    assert instance["lastHeartbeat"].endswith("Z")
    assert {key: instance[key] for key in INSTANCE} == INSTANCE


def test_answers_carry_the_caller_s_correlation_id_and_ours(wire):
    answered = ask(wire, "GET", "/services", headers={"x-correlation-id": "abcdefgh-1"})

    assert answered.headers["x-correlation-id"] == "abcdefgh-1"
    assert answered.headers["x-service-name"] == "registry"
    assert float(answered.headers["x-response-time"]) >= 0
    assert (
        len(ask(wire, "GET", "/services", headers={"x-correlation-id": "no!"}).headers["x-correlation-id"])
        == 36
    )


@pytest.mark.parametrize("call", [("POST", "/register"), ("POST", "/heartbeat"), ("POST", "/deregister")])
@pytest.mark.parametrize(
    "sent",
    [
        {"secret": None},
        {"secret": "wrong-secret-wrong-secret"},
        {"name": "user-service"},
        {"secret": None, "headers": {"authorization": "Basic !!!"}},
        {"secret": None, "headers": {"authorization": "Bearer abc"}},
    ],
)
def test_a_write_without_the_service_s_own_secret_is_refused(wire, call, sent):
    body = REGISTRATION | {"instanceId": "o-1"}
    answered = ask(wire, *call, body, **sent)

    assert (answered.status, answered.body["code"]) == (401, "invalid_credential")
    assert answered.headers["www-authenticate"].startswith("Basic ")
    assert nothing_registered()


def test_the_secret_of_one_service_does_not_write_for_another(wire):
    answered = ask(wire, "POST", "/register", REGISTRATION | {"serviceName": "payment-service"})

    assert (answered.status, answered.body["code"]) == (403, "not_your_service")
    assert nothing_registered()


def test_it_writes_for_the_service_s_worker_which_listens_nowhere(wire):
    worker = with_instance(port=0) | {"serviceName": f"{SERVICE}.worker"}

    assert ask(wire, "POST", "/register", worker).status == 201
    assert ask(wire, "POST", "/register", with_instance(port=0)).status == 400


@pytest.mark.parametrize("path", ["/services", f"/discover/{SERVICE}"])
def test_reading_needs_a_credential_too(wire, path):
    assert ask(wire, "GET", path, secret=None).status == 401
    assert ask(wire, "GET", path).status == 200


def test_staff_and_services_read_with_a_token_and_customers_do_not(wire, atoll_token, atoll_trusted_test_key):
    def reading(text):
        return ask(wire, "GET", "/services", secret=None, headers={"authorization": f"Bearer {text}"})

    for role in ("support", "operator", "admin", "staff"):
        assert reading(atoll_token(roles=[role])).status == 200
    assert reading(atoll_token(roles=["catalogue"])).status == 403
    assert reading(atoll_token()).status == 403
    assert reading("forged").status == 403


@pytest.mark.parametrize(
    "body",
    [
        with_instance(host="169.254.169.254"),
        with_instance(host="http://127.0.0.1"),
        with_instance(host="user@127.0.0.1"),
        with_instance(host=""),
        with_instance(host=7),
        with_instance(port=5432),
        with_instance(port=22),
        with_instance(port="8002"),
        with_instance(port=True),
        with_instance(port=8002.5),
        with_instance(id=""),
        with_instance(id="o 1"),
        with_instance(id="x" * 129),
        with_instance(id=None),
        with_instance(incarnation=0),
        with_instance(incarnation="5"),
        with_instance(incarnation=2**63),
        with_instance(metadata=[]),
        with_instance(metadata={"version": 3}),
        with_instance(metadata={"weight": -1}),
        with_instance(metadata={"weight": "heavy"}),
        with_instance(metadata={"note": "x" * 257}),
        with_instance(metadata={"a b": "c"}),
        with_instance(metadata={"nested": {}}),
        with_instance(metadata={f"k{n}": "v" for n in range(33)}),
        {"serviceName": SERVICE, "instance": "o-1"},
        {"serviceName": SERVICE},
        {"serviceName": "Order Service", "instance": INSTANCE},
        {"serviceName": 7, "instance": INSTANCE},
        {"instance": INSTANCE},
        [],
        "text",
    ],
)
def test_a_registration_that_is_not_one_is_refused_and_changes_nothing(wire, body):
    answered = ask(wire, "POST", "/register", body)

    assert answered.status == 400
    assert set(answered.body) == {"error", "message", "code", "correlationId", "details"}
    assert nothing_registered()


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[" * 5000, b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"serviceName": "\\ud800"}', b"\xff\xfe"],
)
def test_a_body_that_is_not_json_is_refused(wire, raw):
    assert ask(wire, "POST", "/register", raw=raw).status == 400
    assert nothing_registered()


def test_a_body_that_breaks_off_or_cannot_be_read_is_refused(wire):
    answered = ask(wire, "POST", "/register", raw=b'{"serviceName":', whole=False)

    assert (answered.status, answered.body["code"]) == (400, "body_broken_off")
    assert nothing_registered()


def test_a_body_that_is_too_large_is_refused(wire):
    answered = ask(wire, "POST", "/register", raw=b" " * (16 * 1024 + 1))

    assert (answered.status, answered.body["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/register", "POST"), ("POST", f"/discover/{SERVICE}", "GET"), ("DELETE", "/services", "GET")],
)
def test_another_method_is_told_which_one_there_is(wire, method, path, allowed):
    answered = ask(wire, method, path)

    assert (answered.status, answered.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "query", [{"index": "x"}, {"index": "-1"}, {"index": "2", "wait": "soon"}, {"wait": "-1"}]
)
def test_a_query_that_cannot_be_read_is_refused(wire, query):
    assert ask(wire, "GET", f"/discover/{SERVICE}", **query).status == 400


@pytest.mark.parametrize(
    "name", ["", "Order", "a/b", "order-service/", "x" * 90, "order-service.worker.worker"]
)
def test_a_name_no_service_can_have_is_refused(wire, name):
    assert ask(wire, "GET", f"/discover/{name}").status == 400


def test_too_many_registrations_of_one_service_are_refused_for_a_while(wire, monkeypatch):
    monkeypatch.setattr(limits, "REGISTRATIONS", limits.Rate("register", 2))

    statuses = [ask(wire, "POST", "/register", REGISTRATION).status for _ in range(3)]
    assert statuses == [201, 200, 429]
    refused = ask(wire, "POST", "/register", REGISTRATION)
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert Instance.objects.count() == 1


def test_the_limit_stands_before_the_body_is_read(wire, monkeypatch):
    monkeypatch.setattr(limits, "REGISTRATIONS", limits.Rate("register", 1))
    ask(wire, "POST", "/register", REGISTRATION)

    assert ask(wire, "POST", "/register", raw=b"{", whole=False).status == 429


def test_a_cache_that_is_away_changes_nothing(wire, settings):
    away = dict(settings.CACHES["default"], LOCATION="redis://127.0.0.1:1/0")
    settings.CACHES = {"default": away}

    assert ask(wire, "POST", "/register", REGISTRATION).status == 201


def test_the_journal_says_who_registered(wire):
    ask(wire, "POST", "/register", REGISTRATION)

    assert JournalEntry.objects.get(kind="registered").actor == f"{SERVICE} from 127.0.0.1"


@pytest.mark.parametrize("path", ["/services", f"/discover/{SERVICE}"])
def test_a_query_that_is_mistyped_is_told_and_not_ignored(wire, path):
    refused = ask(wire, "GET", path, waitS="1")
    assert (refused.status, refused.body["code"]) == (400, "invalid_query")
    assert refused.body["details"]["unknown"] == ["waitS"]


@pytest.mark.parametrize("query", [b"index=1&index=2", b"wait=1&index=1&wait=30"])
def test_a_query_that_repeats_a_parameter_is_refused(query):
    scope = {"method": "GET", "path": "/services", "query_string": query, "headers": []}
    with pytest.raises(InvalidInput, match="once"):
        messages.read(scope, {})


def test_another_machine_cannot_register_a_loopback_address(wire, monkeypatch):
    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.0/8")
    afar = {"x-forwarded-for": "10.0.0.8"}

    answered = ask(wire, "POST", "/register", REGISTRATION, headers=afar)
    assert (answered.status, answered.body["code"]) == (400, "loopback_from_afar")
    assert nothing_registered()
    there = with_instance(host="10.0.0.8")
    assert ask(wire, "POST", "/register", there, headers=afar).status == 201
