"""API keys: which route and method a machine may use, and what a service learns of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atoll.ids import uuid7
from atoll.testing.tokens import access_token
from gateway.edge.identity.api_keys import PREFIX, digest, make_key
from gateway.tests.harness import Answer, Gateway, row, table, until
from gateway.tests.upstream import Upstream

ROUTES = (
    row("mine", "/mine", access="signed_in", bad_token=401),
    row("other", "/other", access="signed_in"),
    row("staff", "/staff", access="staff", roles=["operator"]),
    row("shop", "/shop", access="public_read_staff_write", roles=["catalogue"]),
    row("open", "/open"),
    row("few", "/few", access="signed_in", rate_limit=2, rate_window_s=3600),
)
KEY, KEY_ID = make_key()
SECOND, SECOND_ID = make_key()
ALLOWS = {"mine": ["GET"], "staff": ["GET"], "shop": ["POST"], "few": ["GET"]}


def consumer(*keys: str, **fields: Any) -> dict[str, Any]:
    rows = [{"id": key.split("_")[1], "digest": digest(key)} for key in keys or (KEY,)]
    return {"id": "scanner", "name": "Scanner", "allows": ALLOWS, "roles": [], "keys": rows, **fields}


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


@pytest.fixture
def make(make_gateway: Callable[..., Gateway]) -> Callable[..., Gateway]:
    def make(*consumers: dict[str, Any]) -> Gateway:
        gateway = make_gateway(*ROUTES)
        gateway.publish(table(*ROUTES, version=2) | {"consumers": [*consumers]})
        return gateway

    return make


def ask(gateway: Gateway, target: str, key: str = KEY, method: str = "GET", **more: str) -> Answer:
    headers = {"X-API-Key": key} | {name.replace("_", "-"): value for name, value in more.items()}
    return gateway.request(method, target, headers=headers)


@pytest.mark.parametrize("field", ["X-API-Key", "x-api-key", "Authorization"])
def test_a_key_opens_its_route_and_the_service_learns_who_asks(
    make: Callable[..., Gateway], upstream: Upstream, field: str
) -> None:
    gateway = make(consumer())
    value = f"Bearer {KEY}" if field == "Authorization" else KEY
    forged = {"X-Consumer-ID": "admin", "X-Consumer-Name": "x", "X-User-ID": "1"}

    assert gateway.request("GET", "/mine/x", headers={field: value} | forged).status == 200
    seen = upstream.seen[-1]
    assert seen.header("x-consumer-id") == "scanner"
    assert KEY not in str(seen.headers)
    absent = ("x-user-id", "x-user-roles", "authorization", "x-api-key", "x-consumer-name")
    assert [seen.header(name) for name in absent] == [None] * len(absent)


@pytest.mark.parametrize(
    ("target", "method"), [("/mine/x", "POST"), ("/other/x", "GET"), ("/shop/x", "DELETE")]
)
def test_a_key_opens_no_other_route_and_no_other_method(
    make: Callable[..., Gateway], upstream: Upstream, target: str, method: str
) -> None:
    answer = ask(make(consumer()), target, method=method)

    assert (answer.status, answer.json()["code"]) == (403, "key_not_allowed")
    assert upstream.of(target) == []


def test_a_key_has_only_the_roles_that_it_was_given(make: Callable[..., Gateway]) -> None:
    gateway = make(consumer())
    assert [ask(gateway, "/staff/x").status, ask(gateway, "/shop/x", method="POST").status] == [403, 403]

    gateway.publish(table(*ROUTES, version=3) | {"consumers": [consumer(roles=["operator"])]})
    assert [ask(gateway, "/staff/x").status, ask(gateway, "/shop/x", method="POST").status] == [200, 403]


def test_a_key_may_read_what_everybody_may(make: Callable[..., Gateway]) -> None:
    gateway = make(consumer())

    assert [ask(gateway, target).status for target in ("/open/x", "/shop/x")] == [200, 200]


BAD = {
    "unknown": lambda: make_key()[0],
    "cut short": lambda: KEY[:-1],
    "longer": lambda: KEY + "0",
    "upper case": lambda: PREFIX + KEY[len(PREFIX) :].upper(),
    "prefix alone": lambda: PREFIX,
    "its digest": lambda: PREFIX + digest(KEY),
    "very long": lambda: PREFIX + "a" * 4000,
    "no ASCII": lambda: PREFIX + "\xe9",
    "expired": lambda: SECOND,
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_key_is_refused_and_reaches_no_service(
    make: Callable[..., Gateway], upstream: Upstream, kind: str
) -> None:
    old = {"id": SECOND_ID, "digest": digest(SECOND), "expires": in_hours(-0.01)}
    gateway = make(consumer(), consumer(id="old", keys=[old]))
    key = BAD[kind]()

    answer = ask(gateway, "/mine/x", key)
    assert (answer.status, answer.json()["code"]) == (401, "invalid_api_key")
    assert "www-authenticate" in answer.headers
    assert ask(gateway, "/other/x", key).status == 403
    assert ask(gateway, "/open/x", key).status == 200
    assert upstream.seen[-1].header("x-consumer-id") is None
    assert upstream.seen[-1].header("x-api-key") is None


def test_two_credentials_are_believed_neither(make: Callable[..., Gateway], upstream: Upstream) -> None:
    gateway = make(consumer())
    lines = (
        f"Authorization: Bearer {access_token()}\r\nX-API-Key: {KEY}\r\n",
        f"X-API-Key: {SECOND}\r\nX-API-Key: {KEY}\r\n",
        f"Authorization: Bearer {KEY}\r\nX-API-Key: {KEY}\r\n",
    )
    for fields in lines:
        answer = gateway.raw(f"GET /other/x HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        assert (answer.status, answer.json()["code"]) == (403, "two_credentials")
    assert upstream.of("/other") == []


def test_a_key_of_the_service_itself_passes(make: Callable[..., Gateway], upstream: Upstream) -> None:
    gateway = make(consumer())

    assert ask(gateway, "/open/x", "theirs").status == 200
    assert upstream.seen[-1].header("x-api-key") == "theirs"
    assert ask(gateway, "/mine/x", "theirs").status == 401
    assert ask(gateway, "/mine/x", "theirs", Authorization=f"Bearer {KEY}").status == 200
    assert upstream.seen[-1].header("x-api-key") == "theirs"


def test_a_withdrawn_key_is_refused_and_the_other_one_goes_on(make: Callable[..., Gateway]) -> None:
    gateway = make(consumer(KEY, SECOND))
    assert [ask(gateway, "/mine/x", key).status for key in (KEY, SECOND)] == [200, 200]

    gateway.publish(table(*ROUTES, version=3) | {"consumers": [consumer(SECOND)]})
    assert [ask(gateway, "/mine/x", key).status for key in (KEY, SECOND)] == [401, 200]


def test_the_keys_of_a_consumer_share_its_limit(make: Callable[..., Gateway]) -> None:
    gateway = make(consumer(KEY, SECOND, id=f"c{uuid7().hex}"))

    assert [ask(gateway, "/few/x", key).status for key in (KEY, SECOND, KEY)] == [200, 200, 429]


def test_the_use_of_a_key_is_told_once(make: Callable[..., Gateway]) -> None:
    gateway = make(consumer(KEY, SECOND))
    began = datetime.now(UTC).timestamp()
    assert [ask(gateway, "/mine/x").status for _ in range(3)] == [200] * 3

    used = gateway.run(gateway.components.authenticator.api_keys.take_used)
    assert {*used} == {KEY_ID}
    assert used[KEY_ID] >= int(began)
    assert gateway.run(gateway.components.authenticator.api_keys.take_used) == {}


def test_the_request_log_names_the_consumer_and_never_the_key(make: Callable[..., Gateway]) -> None:
    gateway = make(consumer())
    assert ask(gateway, "/mine/x").status == 200
    [entry] = until(lambda: [entry for entry in gateway.entries if entry.route == "mine"])
    assert entry.user_id == "consumer:scanner"
    assert KEY not in str(entry)


def test_no_two_keys_are_alike_and_an_id_tells_nothing_of_its_key() -> None:
    made = [make_key() for _ in range(100)]

    assert len({key for key, _ in made}) == len({key_id for _, key_id in made}) == 100
    assert all(key.startswith(f"{PREFIX}{key_id}_") and len(key) == 63 for key, key_id in made)
