"""The checker notices a platform without outbox or inbox."""

import json
import re

import pytest

from atoll.testing import rabbitmq
from tests.chaos.sabotage import KILLS

pytestmark = pytest.mark.skipif(
    rabbitmq.program("rabbitmq-server") is None, reason="copies are sent on RabbitMQ only"
)


def found(run) -> dict[str, list[str]]:
    assert run.exit_code == 1, run.printed
    return dict(json.loads((run.home / "found.json").read_text()))


def test_a_loss_is_caught_when_the_outbox_is_bypassed(sabotaged_run):
    said = found(sabotaged_run)
    lost = [text for text in said["I1_not_published"] if "never was on the wire" in text]
    unheard = [text for text in said["I3_not_exactly_once"] if "on_reserve_stock never handled" in text]
    # The messages of two orders that are placed at once may alternate, so a kill may hit the second
    # message of an order whose first one is out already.
    assert len(lost) >= KILLS
    assert len(unheard) >= KILLS
    assert said["accepted_order_lost"] == []


def test_a_double_is_caught_when_the_inbox_is_bypassed(sabotaged_run):
    said = found(sabotaged_run)["I3_not_exactly_once"]
    assert [text for text in said if re.search(r"handled .* [2-9] times", text)]
    assert [text for text in said if re.search(r"took effect [2-9] times on order", text)]
