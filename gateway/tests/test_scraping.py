"""A flood of scrapes makes the metrics once."""

import asyncio
import time

import pytest

from gateway.edge import scraping
from gateway.edge.scraping import Scraping
from gateway.tests.harness import Gateway


def test_scrapes_at_one_time_share_an_answer_and_a_later_one_gets_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = 0

    async def scrape() -> bytes:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return b"%d" % made

    async def ask() -> None:
        shared = Scraping(scrape)
        assert set(await asyncio.gather(*(shared.text() for _ in range(100)))) == {b"1"}
        assert await shared.text() == b"1"
        monkeypatch.setattr(scraping, "FRESH_S", -1.0)
        assert await shared.text() == b"2"

    asyncio.run(ask())


def test_a_scrape_that_fails_fails_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scrape() -> bytes:
        raise OSError("the parent process takes no messages")

    async def ask() -> None:
        shared = Scraping(scrape)
        for _ in range(2):
            with pytest.raises(OSError, match="takes no messages"):
                await shared.text()

    asyncio.run(ask())


def test_a_flood_of_scrapes_is_rendered_few_times(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[bool] = []
    monkeypatch.setattr("gateway.edge.metrics.render", lambda state: rendered.append(True) or b"x 1\n")
    began = time.monotonic()
    for _ in range(50):
        assert gateway.get("/metrics").body == b"x 1\n"
    assert len(rendered) <= 1 + (time.monotonic() - began) / scraping.FRESH_S


@pytest.mark.parametrize("error", [OSError("the parent takes no messages"), TimeoutError()])
def test_without_the_other_processes_a_scrape_is_answered_in_the_error_shape(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    async def text(_: Scraping) -> bytes:
        raise error

    monkeypatch.setattr(Scraping, "text", text)
    answer = gateway.get("/metrics")
    assert (answer.status, answer.json()["code"]) == (503, "no_metrics")
    assert answer.headers["retry-after"] == "1"
