"""The gateway follows the shared table of outcomes."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from atoll.client.failures import NoReply, NotSent
from atoll.client.policy import FAILURES_TO_OPEN
from atoll.testing.outcomes import OUTCOMES, Outcome
from gateway.edge.upstream.directory import Endpoint
from gateway.tests.harness import NOBODY, Gateway, row, table
from gateway.tests.upstream import Seen, Upstream, answer

TIMEOUT_S = 0.2


async def drop(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10 * TIMEOUT_S)
    writer.close()


@pytest.fixture
def ill(gateway: Gateway, make_upstream: Callable[[], Upstream]) -> Callable[[Outcome], Upstream]:
    """An instance with the outcome, and the gateway asks the first instance first."""
    gateway.publish(table(row("open", "/open", timeout_s=TIMEOUT_S), version=2))

    def make(outcome: Outcome) -> Upstream:
        if outcome.got is NotSent:
            return NOBODY
        upstream = make_upstream()
        if isinstance(outcome.got, int):
            upstream.answers("/open", answer(outcome.got, b"{}"))
        else:
            upstream.behaviours["/open"] = drop if outcome.got is NoReply else hang
        return upstream

    return make


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_a_breaker_counts_what_the_table_counts(
    gateway: Gateway, ill: Callable[[Outcome], Upstream], outcome: Outcome
) -> None:
    gateway.knows("product-service", ill(outcome))
    for _ in range(FAILURES_TO_OPEN):
        gateway.request("POST", "/open/x", b"{}")

    upstream = gateway.components.directory.upstream("product-service")
    assert upstream.breaker.closed is not outcome.opens_breaker
    assert upstream.endpoints[0].breaker.closed is not outcome.opens_breaker


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_is_repeated_where_the_table_repeats_it(
    gateway: Gateway,
    upstream: Upstream,
    ill: Callable[[Outcome], Upstream],
    monkeypatch: pytest.MonkeyPatch,
    outcome: Outcome,
    method: str,
) -> None:
    def first(endpoints: Sequence[Endpoint]) -> Endpoint:
        return endpoints[0]

    gateway.knows("product-service", ill(outcome), upstream)
    monkeypatch.setattr(gateway.components.directory.upstream("product-service"), "pick", first)
    repeats = outcome.repeats_read if method == "GET" else outcome.repeats_write

    assert (gateway.request(method, "/open/x", b"{}").status == 200) is repeats
    assert len(upstream.of("/open")) == repeats
