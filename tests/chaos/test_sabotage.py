"""The checker sees what the outbox and the inbox are there for: the real thing without them fails."""

from collections import Counter

import pytest

from tests.chaos import rabbitmq
from tests.chaos.sabotage import KILLS, MESSAGES_AN_ORDER

pytestmark = pytest.mark.skipif(
    rabbitmq.program("rabbitmq-server") is None, reason="copies are sent on RabbitMQ only"
)


def lines(printed: str) -> Counter[str]:
    """How often each sort of finding is among those shown."""
    sorts = ("never was on the wire", "never handled", "2 times")
    return Counter(sort for line in printed.splitlines() for sort in sorts if sort in line)


def test_a_loss_is_caught_when_the_outbox_is_bypassed(sabotaged_run):
    assert sabotaged_run.exit_code == 1, sabotaged_run.printed
    violations = sabotaged_run.summary["violations"]
    assert violations["I1_not_published"] >= KILLS * MESSAGES_AN_ORDER
    assert lines(sabotaged_run.printed)["never handled"] >= 1


def test_a_double_is_caught_when_the_inbox_is_bypassed(sabotaged_run):
    assert sabotaged_run.exit_code == 1, sabotaged_run.printed
    assert sabotaged_run.summary["violations"]["I3_not_exactly_once"] > KILLS
    assert lines(sabotaged_run.printed)["2 times"] >= 1
