"""A process stays registered as long as it lives, and not a moment longer."""

import pytest

from atoll.discovery.answers import Heard
from atoll.errors import Conflict, NotAllowed, NotFound, Unavailable
from atoll.server import lifecycle
from atoll.server.registration import Registration


class Registry:
    """Records the calls; ``refusals`` are raised by the next ones."""

    def __init__(self):
        self.calls = []
        self.refusals = []
        self.status = "ok"
        self.log_level, self.log_level_s = "", 0.0

    def _take(self, *call):
        self.calls.append(call)
        if self.refusals:
            raise self.refusals.pop(0)

    def register(self, service, instance, incarnation):
        self._take("register", service, incarnation)

    def heartbeat(self, service, instance_id, incarnation):
        self._take("heartbeat", service, incarnation)
        return Heard(self.status, self.log_level, self.log_level_s)

    def deregister(self, service, instance_id, incarnation, *, timeout_s):
        self._take("deregister", service, incarnation)


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def registration(registry, heard, monkeypatch):
    monkeypatch.setenv("ATOLL_INSTANCE", "orders-1")
    return Registration(
        "orders",
        "127.0.0.1",
        8002,
        {"version": "1"},
        registry=registry,
        on_status=heard.append,
        now_ms=lambda: 1000,
        jitter=lambda low, high: high,
    )


AWAY = Unavailable("registry", "away")


def test_it_registers_then_beats_every_fifteen_seconds(registration, registry):
    assert [registration.step() for _ in range(3)] == [15.0, 15.0, 15.0]
    assert registry.calls == [
        ("register", "order-service", 1000),
        ("heartbeat", "order-service", 1000),
        ("heartbeat", "order-service", 1000),
    ]


def test_a_registry_that_is_away_is_asked_again_ever_more_slowly_and_for_ever(registration, registry):
    registry.refusals = [AWAY] * 9

    assert [registration.step() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 10, 10, 10]
    assert not registration.is_registered
    assert registration.step() == 15.0
    assert registration.is_registered


def test_a_refused_credential_is_tried_again_too(registration, registry):
    registry.refusals = [NotAllowed("no such credential yet")]

    assert registration.step() == 0.25
    assert registration.step() == 15.0


@pytest.mark.parametrize("forgotten", [NotFound("who?"), Conflict("that life is over")])
def test_forgotten_it_registers_again_at_once_as_a_new_life(registration, registry, forgotten):
    registration.step()
    registry.refusals = [forgotten]

    assert registration.step() == 0.0
    assert registration.step() == 15.0
    assert registry.calls[-1] == ("register", "order-service", 1001)


def test_a_missed_beat_is_made_up_for_soon_and_is_no_new_life(registration, registry):
    registration.step()
    registry.refusals = [AWAY]

    assert registration.step() == 0.25
    assert registration.step() == 15.0
    assert registry.calls[-1] == ("heartbeat", "order-service", 1000)


def test_what_the_operator_wants_is_heard_once_per_change(registration, registry, heard):
    registration.step()
    for registry.status in ("ok", "draining", "draining", "ok"):
        registration.step()

    assert heard == ["draining", "ok"]


def test_stopping_takes_out_the_life_that_was_registered(registration, registry):
    registration.step()
    registration.stop()
    registration.stop()

    assert registry.calls[1:] == [("deregister", "order-service", 1000)]


def test_stopping_takes_out_a_registration_whose_answer_was_lost(registration, registry):
    registry.refusals = [AWAY]
    registration.step()
    registration.stop()

    assert registry.calls[-1] == ("deregister", "order-service", 1000)


def test_stopping_does_not_fail_when_the_registry_is_away(registration, registry):
    registration.step()
    registry.refusals = [AWAY]

    registration.stop()
    assert not registration.is_registered


def test_one_that_never_asked_has_nothing_to_take_back(registration, registry):
    registration.stop()

    assert registry.calls == []


def test_a_worker_registers_beside_its_service_without_a_port(registry, monkeypatch):
    monkeypatch.setenv("ATOLL_INSTANCE", "orders-worker-1")
    worker = Registration.of_worker("orders", "127.0.0.1", registry=registry)

    assert (worker.service, worker.instance.port) == ("order-service.worker", 0)
    assert worker.instance.metadata["role"] == "worker"


def test_without_a_file_a_process_is_ready(monkeypatch):
    monkeypatch.delenv("ATOLL_LIFECYCLE_FILE", raising=False)
    lifecycle.set_state("draining")

    assert lifecycle.state() == "ready"


def test_the_state_is_shared_through_the_file(monkeypatch):
    monkeypatch.setenv("ATOLL_LIFECYCLE_FILE", "")
    path = lifecycle.create()

    assert lifecycle.state() == "starting"
    lifecycle.set_state("draining")
    assert (lifecycle.state(), path.read_text()) == ("draining", "draining")
    path.unlink()
    assert lifecycle.state() == "ready"
