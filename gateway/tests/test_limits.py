"""Rate limits against the real store, under concurrency, and with the store away."""

import threading
from collections.abc import Callable, Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from atoll import conf
from atoll.ids import uuid7
from atoll.testing.tokens import access_token
from gateway.edge.limits.bucket import Bucket
from gateway.edge.limits.rules import Rule
from gateway.edge.limits.shared_buckets import KEY
from gateway.edge.resp import CommandError, Parser, StoreAway, encode
from gateway.tests.harness import Gateway, row, until
from gateway.tests.upstream import Upstream

Make = Callable[..., Gateway]
NOWHERE = "redis://127.0.0.1:9/0"


@pytest.fixture
def name() -> Iterator[str]:
    """A route for this test alone. Its counters leave the store at the end."""
    name = f"t{uuid7().hex[-12:]}"
    yield name
    with redis.Redis.from_url(conf.redis_url()) as store:
        for key in store.scan_iter(f"{KEY}*{name}*"):
            store.delete(key)


def limited(make_gateway: Make, name: str, **config: str) -> Gateway:
    gateway = make_gateway(row(name, "/open", rate_limit=5, rate_window_s=3600), **config)
    if not config:
        until(lambda: gateway.components.limiter.shares)
    return gateway


def test_the_request_over_the_limit_is_429_and_says_when_to_come_back(
    make_gateway: Make, upstream: Upstream, name: str
) -> None:
    gateway = limited(make_gateway, name)
    answers = [gateway.get("/open/x") for _ in range(6)]

    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == [
        "r=4", "r=3", "r=2", "r=1", "r=0", "r=0",
    ]  # fmt: skip
    assert answers[0].headers["ratelimit-policy"] == f'"{name}";q=5;w=3600'
    assert answers[5].json()["error"] == "Too many requests from this IP"
    assert 700 <= int(answers[5].headers["retry-after"]) <= 720
    assert len(upstream.of("/open")) == 5


def test_two_gateways_count_together_and_exactly_under_concurrency(make_gateway: Make, name: str) -> None:
    gateways = [limited(make_gateway, name) for _ in range(2)]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda g=gateway: statuses.append(g.get("/open/x").status))
        for gateway in gateways * 15
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 5 + [429] * 25


def test_each_user_has_a_limit_of_their_own(make_gateway: Make, name: str) -> None:
    gateway = limited(make_gateway, name)
    ada, bob = (f"Bearer {access_token()}" for _ in range(2))

    assert [gateway.get("/open/x", Authorization=ada).status for _ in range(6)] == [200] * 5 + [429]
    assert gateway.get("/open/x", Authorization=bob).status == 200
    assert gateway.get("/open/x").status == 200


def test_an_invented_address_or_token_is_no_way_round(make_gateway: Make, name: str) -> None:
    gateway = limited(make_gateway, name)
    statuses = [
        gateway.get("/open/x", X_Forwarded_For=f"6.6.6.{n}", Authorization=f"Bearer {n}").status
        for n in range(6)
    ]
    assert statuses == [200] * 5 + [429]


def test_with_the_store_away_each_gateway_counts_for_itself(make_gateway: Make, name: str) -> None:
    gateway = limited(make_gateway, name, redis_url=NOWHERE)

    assert [gateway.get("/open/x").status for _ in range(6)] == [200] * 5 + [429]
    assert gateway.components.limiter.fallbacks == 6


def test_what_was_spent_while_the_store_was_away_counts_afterwards(make_gateway: Make, name: str) -> None:
    gateway = limited(make_gateway, name)
    gateway.run(gateway.components.store.close)
    assert [gateway.get("/open/x").status for _ in range(3)] == [200] * 3
    until(lambda: gateway.components.limiter.shares)
    other = limited(make_gateway, name)

    until(lambda: not gateway.components.limiter._unreported)
    assert [other.get("/open/x").status for _ in range(3)] == [200, 200, 429]


def test_a_store_that_forgot_the_script_gets_it_again(make_gateway: Make, name: str) -> None:
    gateway = limited(make_gateway, name)
    gateway.run(lambda: setattr(gateway.components.limiter, "_script", b"0" * 40))

    assert gateway.get("/open/x").status == 200
    until(
        lambda: (
            len(gateway.components.limiter._script) == 40 and gateway.components.limiter._script != b"0" * 40
        )
    )
    # The request that the process counted alone was reported.
    assert gateway.get("/open/x").headers["ratelimit"].split(";")[1] == "r=3"


def test_a_lost_connection_to_the_store_is_made_again(make_gateway: Make, name: str) -> None:
    gateway = limited(make_gateway, name)
    gateway.run(gateway.components.store.close)

    assert gateway.get("/open/x").status == 200
    until(lambda: gateway.components.store.connected)


@given(
    limit=st.integers(1, 20),
    window_s=st.integers(1, 60),
    gaps_ms=st.lists(st.integers(0, 5_000), min_size=1, max_size=200),
)
def test_no_window_ever_lets_twice_the_limit_through(limit: int, window_s: int, gaps_ms: list[int]) -> None:
    now = 0.0
    bucket = Bucket(Rule("r", limit, window_s), "k")
    let_through: list[float] = []
    for gap in gaps_ms:
        now += gap / 1000
        verdict = bucket.spend(now, alone=True)
        if verdict is not None and verdict.allowed:
            let_through.append(now)
    for start in let_through:
        within = [at for at in let_through if start <= at < start + window_s]
        assert len(within) <= 2 * limit


@given(limit=st.integers(1, 20), window_s=st.integers(1, 60))
def test_after_the_wait_it_names_exactly_one_more_is_let_through(limit: int, window_s: int) -> None:
    bucket = Bucket(Rule("r", limit, window_s), "k")
    given = [bucket.spend(1.0, alone=True) for _ in range(limit)]
    assert [verdict and verdict.remaining for verdict in given] == list(reversed(range(limit)))
    refused = bucket.spend(1.0, alone=True)
    assert refused is not None and not refused.allowed
    early = bucket.spend(1.0 + (refused.wait_ms - 2) / 1000, alone=True)
    assert early is not None and not early.allowed
    then = bucket.spend(1.0 + refused.wait_ms / 1000, alone=True)
    assert then is not None and then.allowed


@given(st.lists(st.integers(1, 7), max_size=60))
def test_replies_are_read_however_they_are_cut_into_packets(sizes: list[int]) -> None:
    data = b":1\r\n+OK\r\n-ERR no\r\n$3\r\na\r\n\r\n$-1\r\n*2\r\n:7\r\n$1\r\nx\r\n"
    parser, replies = Parser(), []
    for size in [*sizes, len(data)]:
        replies += parser.feed(data[:size])
        data = data[size:]
    assert [replies[0], replies[1], replies[3:]] == [1, b"OK", [b"a\r\n", None, [7, b"x"]]]
    assert isinstance(replies[2], CommandError)


def test_what_is_no_redis_is_noticed() -> None:
    with pytest.raises(StoreAway):
        Parser().feed(b"HTTP/1.1 400 Bad Request\r\n")
    assert encode(b"GET", b"k\r\n") == b"*2\r\n$3\r\nGET\r\n$3\r\nk\r\n\r\n"
