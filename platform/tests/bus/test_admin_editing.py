"""Edit and replay: the form validates the data, and the log keeps the change."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from testproject.models import Note

from atoll.bus import Message, Retry, on
from atoll.bus.models import Delivery
from atoll.bus.operations import recovery
from atoll.identity.roles import OPERATOR
from atoll.testing.bus import Bus
from atoll.testing.rights import member

pytestmark = pytest.mark.usefixtures("handlers")

CORRELATION = "checkout-4711"


@dataclass(frozen=True)
class NoteAsked:
    text: str
    price: Decimal


@pytest.fixture
def dead(atoll_bus: Bus) -> Delivery:
    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: NoteAsked, message: Message) -> None:
        if event.price < 0:
            raise ValueError("a negative price")
        Note.objects.create(text=event.text, price_paid=event.price)

    data = {"text": "ink", "price": Decimal("-19.90"), "unknown": {"kept": True}}
    [row] = atoll_bus.deliver("note.asked", data, times=1, correlation_id=CORRELATION)
    assert row.status == "dead"
    return row


def address(row: Delivery) -> str:
    return f"/admin/atoll_bus/delivery/{row.pk}/edit/"


def hidden(staff: Client, row: Delivery) -> str:
    form = staff.get(address(row)).context["form"]
    return str(form["instead_of"].value())


def save(staff: Client, row: Delivery, data: str, reason: str = "a typing error of theirs") -> str:
    answer = staff.post(
        address(row), {"payload": data, "reason": reason, "instead_of": hidden(staff, row)}, follow=True
    )
    assert answer.status_code == 200
    return answer.content.decode()


def is_untouched(row: Delivery) -> bool:
    row.refresh_from_db()
    return (row.status, row.edited_body, LogEntry.objects.count()) == ("dead", "", 0)


def test_the_edited_data_runs_and_the_original_stays(staff: Client, dead: Delivery, atoll_bus: Bus) -> None:
    arrived = dead.message.body
    page = staff.get(address(dead))
    assert json.loads(page.context["form"]["payload"].value())["price"] == -19.9
    assert '"price": -19.90' in page.context["form"]["payload"].value()

    page_after = save(staff, dead, '{"text": "ink", "price": 19.90,\r\n "unknown": {"kept": true}}')

    assert "It was edited and will run again." in page_after
    dead.refresh_from_db()
    assert dead.status == "pending"
    assert dead.message.body == arrived
    envelope = json.loads(dead.edited_body)
    assert envelope == {
        **json.loads(arrived),
        "data": {"text": "ink", "price": 19.9, "unknown": {"kept": True}},
    }
    assert atoll_bus.run_due() == 1
    assert list(Note.objects.values_list("text", "price_paid")) == [("ink", Decimal("19.90"))]


def test_the_log_has_the_user_the_change_and_the_reason(staff: Client, dead: Delivery) -> None:
    save(staff, dead, '{"text": "ink", "price": 19.90, "unknown": {"kept": true}}', "sign lost at import")
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("ada", str(dead.pk))
    assert "sign lost at import" in entry.change_message
    assert '-  "price": -19.90,' in entry.change_message
    assert '+  "price": 19.90,' in entry.change_message
    history = staff.get(f"/admin/atoll_bus/delivery/{dead.pk}/history/").content.decode()
    assert "sign lost at import" in history
    assert "-  &quot;price&quot;: -19.90,\n" in history


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("{", "not JSON"),
        ("", "This field is required"),
        ("[]", "must be a JSON object"),
        ('{"text": "ink", "text": "pen", "price": 1}', "appears twice"),
        ('{"text": "ink", "price": NaN}', "NaN is not JSON"),
        ('{"text": "i\\u0000nk", "price": 1}', "NUL"),
        ('{"text": "ink"}', "price: is missing"),
        ('{"text": "ink", "price": "dear"}', "price: cannot be read as Decimal"),
        ('{"text": ' + "[" * 40 + "]" * 40 + ', "price": 1}', "nests deeper"),
        ('{"text": "ink", "price": 1, "deep": ' + "[" * 31 + "]" * 31 + "}", "nests deeper"),
        ('{"text": "ink", "price": -19.90, "unknown": {"kept": true}}', "Nothing was changed"),
    ],
)
def test_unfit_data_is_refused_in_the_form_and_changes_nothing(
    staff: Client, dead: Delivery, data: str, complaint: str
) -> None:
    page = save(staff, dead, data)
    assert complaint in page
    assert is_untouched(dead)


def test_an_edit_without_a_reason_changes_nothing(staff: Client, dead: Delivery) -> None:
    assert "This field is required" in save(staff, dead, '{"text": "ink", "price": 1}', reason=" ")
    assert is_untouched(dead)


def test_a_second_edit_begins_with_the_first(staff: Client, dead: Delivery, atoll_bus: Bus) -> None:
    save(staff, dead, '{"text": "ink", "price": -2}')
    assert atoll_bus.run_due() == 1
    dead.refresh_from_db()
    assert dead.status == "dead"

    page = staff.get(address(dead))
    assert json.loads(page.context["form"]["payload"].value()) == {"text": "ink", "price": -2}
    assert "-19.90" in page.context["original"]
    save(staff, dead, '{"text": "ink", "price": 2}')
    assert atoll_bus.run_due() == 1
    assert Note.objects.get().price_paid == 2
    assert '-  "price": -2' in LogEntry.objects.order_by("-id")[0].change_message


def test_of_two_concurrent_edits_the_second_is_refused(staff: Client, dead: Delivery, atoll_bus: Bus) -> None:
    seen = hidden(staff, dead)
    save(staff, dead, '{"text": "first", "price": -1}')
    atoll_bus.run_due()
    answer = staff.post(
        address(dead), {"payload": '{"text": "second", "price": 1}', "reason": "x", "instead_of": seen}
    )
    assert "Somebody edited it" in answer.content.decode()
    dead.refresh_from_db()
    assert dead.status == "dead"
    assert "first" in dead.edited_body


def test_a_change_between_check_and_save_wins(staff: Client, dead: Delivery) -> None:
    """The row itself is asked whether it is still as it was."""
    assert recovery.replay_deliveries([dead.pk]) == 1
    assert not recovery.replay_edited(dead.pk, body="{}", instead_of="")
    Delivery.objects.filter(pk=dead.pk).update(status="dead", edited_body="{}")
    assert not recovery.replay_edited(dead.pk, body='{"a": 1}', instead_of="")
    dead.refresh_from_db()
    assert (dead.status, dead.edited_body) == ("dead", "{}")


@pytest.mark.parametrize("status", ["pending", "running", "done", "ignored", "cancelled"])
def test_only_dead_and_discarded_deliveries_are_edited(staff: Client, dead: Delivery, status: str) -> None:
    seen = hidden(staff, dead)
    Delivery.objects.filter(pk=dead.pk).update(status=status)
    assert staff.get(address(dead)).status_code == 302
    answer = staff.post(
        address(dead), {"payload": '{"text": "x", "price": 1}', "reason": "x", "instead_of": seen}
    )
    assert "Somebody edited it, or had it run again" in answer.content.decode()
    dead.refresh_from_db()
    assert (dead.status, dead.edited_body) == (status, "")


def test_a_delivery_whose_handler_is_gone_cannot_be_checked_and_is_not_edited(
    staff: Client, dead: Delivery, handlers: list[Any]
) -> None:
    handlers.clear()
    assert "No handler is called" in save(staff, dead, '{"text": "x", "price": 1}')
    assert is_untouched(dead)


def test_editing_is_for_administrators(staff: Client, dead: Delivery) -> None:
    seen = hidden(staff, dead)
    member(OPERATOR, username="ada")
    assert staff.get(address(dead)).status_code == 403
    answer = staff.post(
        address(dead), {"payload": '{"text": "x", "price": 1}', "reason": "x", "instead_of": seen}
    )
    assert answer.status_code == 403
    assert is_untouched(dead)
    page = staff.get(f"/admin/atoll_bus/delivery/{dead.pk}/change/").content.decode()
    assert address(dead) not in page
    assert f"/admin/atoll_bus/delivery/{dead.pk}/replay/" in page


def test_a_form_from_elsewhere_is_refused(dead: Delivery) -> None:
    strict = Client(enforce_csrf_checks=True)
    user = User.objects.create(username="eve", is_staff=True, is_superuser=True)
    strict.force_login(user, backend="atoll.identity.backends.AccountBackend")
    for page in ("edit", "replay", "discard"):
        answer = strict.post(
            f"/admin/atoll_bus/delivery/{dead.pk}/{page}/",
            {"payload": "{}", "reason": "x", "instead_of": "x"},
        )
        assert answer.status_code == 403
    assert is_untouched(dead)
