"""What a worker counts: runs of handlers by outcome, and messages received; and where it tells them."""

import urllib.request

import pytest
from prometheus_client import REGISTRY

from atoll.bus import Dead, Ignore, Message, Retry, on
from atoll.bus.delivery import executor, run_metrics
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers import known
from atoll.bus.inbox import arrivals as counted
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery
from atoll.bus.worker.exposition import serve_metrics
from bus.test_fast_path import NoteAsked, arrivals

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


def runs(handler: str, outcome: str, name: str = "note.asked") -> float:
    labels = {"handler": handler, "name": name, "outcome": outcome}
    return REGISTRY.get_sample_value("bus_handler_seconds_count", labels) or 0.0


def retries(handler: str) -> float:
    labels = {"handler": handler, "name": "note.asked"}
    return REGISTRY.get_sample_value("bus_handler_retries_total", labels) or 0.0


def received() -> float:
    labels = {"sender": "note-service", "name": "note.asked"}
    return REGISTRY.get_sample_value("bus_messages_received_total", labels) or 0.0


def test_runs_of_a_batch_and_its_messages_are_counted():
    @on("note.asked", name="metrics.batch")
    def see(event: NoteAsked, message: Message) -> None:
        pass

    known.reload()
    before = received()
    receive(arrivals(1, 2, 3), FastPath(first=0))
    assert (runs("metrics.batch", "done"), received() - before) == (3, 3)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "done"), (Ignore("no"), "ignored"), (Dead("no"), "dead"), (OSError(), "failed")],
)
def test_an_attempt_of_the_pool_is_counted_with_its_outcome(error, outcome):
    name = f"metrics.{outcome}"

    @on("note.asked", name=name, retry=Retry(immediate=0))
    def act(event: NoteAsked, message: Message) -> None:
        if error is not None:
            raise error

    known.reload()
    receive(arrivals(1))
    executor.execute(Delivery.objects.get().id)
    assert {one: runs(name, one) for one in ("done", "ignored", "dead", "failed") if runs(name, one)} == {
        outcome: 1
    }


def test_a_run_after_the_first_is_counted_as_a_retry():
    @on("note.asked", name="metrics.again", retry=Retry(immediate=2))
    def act(event: NoteAsked, message: Message) -> None:
        if message.attempt < 3:
            raise OSError

    known.reload()
    receive(arrivals(1))
    executor.execute(Delivery.objects.get().id)
    assert (runs("metrics.again", "failed"), runs("metrics.again", "done")) == (2, 1)
    assert retries("metrics.again") == 2


def test_a_handler_of_a_pattern_counts_names_without_end_as_one(monkeypatch):
    @on("note.#", name="metrics.pattern")
    def see(event: NoteAsked, message: Message) -> None:
        pass

    known.reload()
    monkeypatch.setattr(run_metrics, "_names", {"note.one"})
    monkeypatch.setattr(run_metrics, "MAX_NAMES", 1)
    receive([*arrivals(1, name="note.one"), *arrivals(2, name="note.two")], FastPath(first=0))
    assert runs("metrics.pattern", "done", "note.one") == 1
    assert runs("metrics.pattern", "done", "note.two") == 0
    assert runs("metrics.pattern", "done", "other") == 1


def test_names_without_end_share_one_series(monkeypatch):
    monkeypatch.setattr(counted, "MAX_PAIRS", len(counted._pairs) + 1)
    before = set(counted._pairs)
    receive([*arrivals(1, name="note.one"), *arrivals(2, name="note.two"), *arrivals(3, name="note.three")])
    assert len(counted._pairs - before - {("other", "other")}) <= 1


def test_a_worker_tells_its_metrics_on_a_port_of_its_own(monkeypatch):
    monkeypatch.setenv("ATOLL_ENV", "development")
    port = serve_metrics()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"bus_handler_seconds" in answer.read()
    monkeypatch.setenv("WORKER_METRICS_PORT", str(port))
    assert serve_metrics() is None
    monkeypatch.setenv("WORKER_METRICS", "false")
    assert serve_metrics() is None
