"""A flood of bad tokens costs few signature checks, and only the address that sends it has to wait."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from atoll.identity.tokens import principal_of
from atoll.testing.tokens import access_token, claims, sign
from gateway.edge.identity import bad_tokens
from gateway.edge.identity.bad_tokens import ALLOWED, REGAIN_S, REMEMBERED_S, BadTokens
from gateway.tests.harness import Clock, Gateway, read_answer, row
from gateway.tests.upstream import Upstream

USER = "0197f1c0-0000-7000-8000-000000000001"
ATTACKER = "127.0.0.2"
FLOOD = 10_000
AT_ONCE = 50
LONGEST_S = 15.0


def ask(gateway: Gateway, token: str, *, source: str = "127.0.0.1", target: str = "/mine/x") -> int:
    with socket.create_connection(("127.0.0.1", gateway.port), 10, source_address=(source, 0)) as connection:
        connection.sendall(request(token, target))
        return read_answer(connection).status


def request(token: str, target: str = "/mine/x") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def flood(gateway: Gateway, tokens: Iterator[str]) -> dict[int, int]:
    """The number of answers by status, of FLOOD requests on one connection of the attacker."""
    found: dict[int, int] = {}
    with socket.create_connection(
        ("127.0.0.1", gateway.port), 30, source_address=(ATTACKER, 0)
    ) as connection:
        stream = connection.makefile("rb")
        for _ in range(FLOOD // AT_ONCE):
            connection.sendall(b"".join(request(next(tokens)) for _ in range(AT_ONCE)))
            for _ in range(AT_ONCE):
                status = int(stream.readline().split()[1])
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    if line.startswith(b"content-length: "):
                        length = int(line.partition(b": ")[2])
                stream.read(length)
                found[status] = found.get(status, 0) + 1
    return found


def forged(numbers: Iterator[int]) -> Iterator[str]:
    """Tokens with a good form and a known key, each with another signature that is wrong."""
    head, body, signature = access_token(USER).split(".")
    for number in numbers:
        yield f"{head}.{body}.{number:08x}{signature[8:]}"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was checked."""
    checked: list[str] = []

    def check(token: str, key: object) -> object:
        checked.append(token)
        return principal_of(token, key)  # type: ignore[arg-type]

    monkeypatch.setattr("gateway.edge.authenticate.principal_of", check)
    return checked


@pytest.mark.parametrize("kind", ["equal", "different"])
def test_ten_thousand_bad_tokens_cost_few_checks_and_starve_nobody(
    gateway: Gateway, checks: list[str], kind: str
) -> None:
    assert ask(gateway, access_token(USER)) == 200
    checks.clear()
    customers = [access_token(f"0197f1c0-0000-7000-8000-{number:012d}") for number in range(50)]
    tokens = forged(iter(range(FLOOD)) if kind == "different" else iter(lambda: 1, 0))
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(flood, gateway, tokens)
        served = []
        for token in customers:  # each of them needs a check
            asked = time.monotonic()
            served.append(ask(gateway, token))
            assert time.monotonic() - asked < LONGEST_S
        statuses = flooding.result()
    took_s = time.monotonic() - began

    assert served == [200] * len(customers)
    assert sum(statuses.values()) == FLOOD
    if kind == "equal":
        assert statuses == {403: FLOOD}
        assert len(checks) - len(customers) <= 1 + took_s / REMEMBERED_S
    else:
        assert statuses[403] == len(checks) - len(customers) <= ALLOWED + took_s / REGAIN_S + 1
        assert statuses[429] == FLOOD - statuses[403]


def test_an_address_above_its_limit_is_told_when_to_come_again(gateway: Gateway) -> None:
    token = access_token(USER)
    assert ask(gateway, token, source=ATTACKER) == 200
    flooding = forged(iter(range(1, ALLOWED + 100)))
    statuses = [ask(gateway, next(flooding), source=ATTACKER) for _ in range(ALLOWED + 80)]
    assert 429 in statuses

    fresh = access_token("0197f1c0-0000-7000-8000-000000000002")
    with socket.create_connection(
        ("127.0.0.1", gateway.port), 10, source_address=(ATTACKER, 0)
    ) as connection:
        for bad in flooding:
            connection.sendall(request(bad))
            refused = read_answer(connection)
            if refused.status == 429:
                break
        assert refused.json()["code"] == "too_many_invalid_tokens"
        assert int(refused.headers["retry-after"]) >= 1
    assert ask(gateway, token, source=ATTACKER) == 200  # it was verified before
    assert ask(gateway, fresh) == 200  # another address
    assert ask(gateway, fresh, source=ATTACKER) == 200  # verified meanwhile
    assert ask(gateway, "x.y.z", source=ATTACKER, target="/open/x") == 200  # the route asks for nobody


def test_a_token_of_an_unknown_key_is_not_remembered_as_bad(gateway: Gateway, upstream: Upstream) -> None:
    token = sign(claims(USER, roles=[]), headers={"kid": "later"})
    assert ask(gateway, token) == 403
    keys = gateway.components.authenticator._own_keys
    gateway.run(lambda: keys._keys.update(later=next(iter(keys._keys.values()))))
    assert ask(gateway, token) == 200


def test_other_issuers_make_bad_tokens_forgotten(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(row("mine", "/mine", access="signed_in"))
    assert ask(gateway, "a.b.c") == 403
    held = gateway.components.authenticator.bad_tokens
    assert held.holds(b"Bearer a.b.c")
    issuer = {"name": "keycloak", "issuer": "https://id.test", "audience": ["shop"]}
    gateway.publish({"version": 2, "routes": [row("mine", "/mine")], "cors": {}, "issuers": [issuer]})
    assert not held.holds(b"Bearer a.b.c")


def test_a_bad_token_is_remembered_for_a_moment() -> None:
    clock = Clock()
    held = BadTokens(clock)
    held.remember(b"x")
    assert held.holds(b"x") and not held.holds(b"y")
    assert held.refused == 1
    clock.now += REMEMBERED_S
    assert not held.holds(b"x")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_tokens, "MOST_TOKENS", 3)
    held = BadTokens(Clock())
    for number in range(5):
        held.remember(b"%d" % number)
    assert [held.holds(b"%d" % number) for number in range(5)] == [False, False, True, True, True]
