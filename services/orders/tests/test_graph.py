"""The drawings in docs/flow.md are those of the tables."""

import pytest
from django.core.management import call_command

from atoll import conf
from services.orders.compensation import Undoing
from services.orders.course import Event, Status
from services.orders.graph import mermaid_of_order, mermaid_of_undoing, replaced_in

FLOW = conf.root() / "docs" / "flow.md"


def test_the_document_shows_the_course_as_it_is():
    text = FLOW.read_text()
    assert replaced_in(text) == text, "run `python manage.py orders course --write`"


def test_the_drawings_name_every_status_state_and_event_that_moves_an_order():
    order, undoing = mermaid_of_order(), mermaid_of_undoing()
    assert all(status in order for status in Status)
    assert all(state in undoing for state in Undoing)
    assert "    pending --> awaiting_payment: stock.reserved<br/>sends process.payment" in order
    assert "    asked --> failed: refused, overdue" in undoing
    assert Event.PAYMENT_FAILED in order


def test_a_document_without_a_place_for_them_is_told_so():
    with pytest.raises(ValueError, match="The document needs the lines"):
        replaced_in("# Nothing here")


def test_the_command_prints_both_drawings(capsys):
    call_command("course")
    printed = capsys.readouterr().out
    assert printed.count("stateDiagram-v2") == 2
