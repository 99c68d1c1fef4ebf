"""Any order of steps, crashes and repetitions keeps the bus's invariants.

Hypothesis drives the real relay's step, receiving, ledger and handlers over the broker in
memory. It compares them with a model that only knows the committed messages.
"""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from atoll.bus.broker import envelope
from atoll.bus.broker.messages import Arrival
from atoll.bus.delivery import handler_speed
from atoll.testing.broker import MemoryConsumer

from .bus_machine import BusMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

# The search ends at the first violation, usually within a few examples; 30 of them once held none.
CATCHING_EXAMPLES = 200


@pytest.fixture(autouse=True)
def no_rest_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers that failed stay on the fast path, so that more of its failures are seen."""
    monkeypatch.setattr(handler_speed, "REST_S", 0.0)


def run(examples: int, *phases: Phase) -> None:
    run_state_machine_as_test(
        BusMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            print_blob=True,
            phases=phases or tuple(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_course_of_steps_and_crashes_keeps_the_invariants() -> None:
    run(15)


def test_the_model_catches_a_double_when_the_inbox_knows_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*arguments: Any) -> envelope.Envelope:
        return replace(original(*arguments), dedupe_key=str(uuid4()))

    original = envelope.parse
    monkeypatch.setattr(envelope, "parse", parse)
    with pytest.raises((AssertionError, ExceptionGroup)):
        run(CATCHING_EXAMPLES, Phase.generate)


def test_the_model_catches_a_loss_when_ingest_acknowledges_before_it_stores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def take_and_forget(consumer: MemoryConsumer, limit: int) -> list[Arrival]:
        arrivals = original(consumer, limit)
        consumer.acknowledge()
        return arrivals

    original = MemoryConsumer.take
    monkeypatch.setattr(MemoryConsumer, "take", take_and_forget)
    with pytest.raises((AssertionError, ExceptionGroup)):
        run(CATCHING_EXAMPLES, Phase.generate)
