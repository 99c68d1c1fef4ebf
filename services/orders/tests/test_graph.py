"""The diagrams in docs/flow.md are those of the tables."""

import pytest
from django.core.management import call_command

from atoll import conf
from services.orders.compensation import CompensationState
from services.orders.graph import mermaid_of_compensation, mermaid_of_order, replaced_in
from services.orders.state_machine import Event, Status

FLOW = conf.root() / "docs" / "flow.md"


def test_the_document_shows_the_state_machines_as_they_are():
    text = FLOW.read_text()
    assert replaced_in(text) == text, "run `python manage.py orders state_machine --write`"


def test_the_diagrams_name_every_status_state_and_event_that_moves_an_order():
    order, compensation = mermaid_of_order(), mermaid_of_compensation()
    assert all(status in order for status in Status)
    assert all(state in compensation for state in CompensationState)
    assert "    pending --> awaiting_payment: stock.reserved<br/>sends process.payment" in order
    assert "    asked --> failed: refused, overdue" in compensation
    assert Event.PAYMENT_FAILED in order


def test_a_document_without_a_place_for_them_is_told_so():
    with pytest.raises(ValueError, match="The document needs the lines"):
        replaced_in("# Nothing here")


def test_the_command_prints_both_diagrams(capsys):
    call_command("state_machine")
    printed = capsys.readouterr().out
    assert printed.count("stateDiagram-v2") == 2
