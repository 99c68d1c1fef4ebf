"""The admin of the ledger: staff find messages, replay them, and discard them with a reason."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from testproject.handlers import NoteWritten
from testproject.models import Note

from atoll.bus import Message, Retry, on, publish
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import quarantine
from atoll.bus.models import Delivery, Outbox, Quarantine
from atoll.testing.bus import Bus

pytestmark = pytest.mark.usefixtures("handlers")

ADMIN = "/admin/atoll_bus"


@pytest.fixture
def dead(atoll_bus: Bus) -> Delivery:
    """A dead delivery. Its handler works from its second message on."""
    seen: list[str] = []

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: dict[str, Any], message: Message) -> None:
        seen.append(message.id)
        if len(seen) == 1:
            raise ValueError("not yet")
        Note.objects.create(text=event["text"])

    (row,) = atoll_bus.deliver("note.asked", {"text": "late"}, times=1, correlation_id="checkout-4711")
    assert row.status == "dead"
    return row


def act(staff: Client, model: str, action: str, *ids: Any, reason: str = "") -> str:
    """Run an action on rows of a list, and say yes where it asks first."""
    sent = {"action": action, "_selected_action": [str(pk) for pk in ids], "reason": reason}
    response = staff.post(f"{ADMIN}/{model}/", sent, follow=True)
    assert response.status_code == 200
    if b'name="confirmed"' in response.content:
        response = staff.post(f"{ADMIN}/{model}/", sent | {"confirmed": f"{action}_chosen"}, follow=True)
    return response.content.decode()


def test_a_message_is_found_by_its_correlation_id(staff: Client, dead: Delivery) -> None:
    for model in ("delivery", "inbox"):
        assert "note.asked" in staff.get(f"{ADMIN}/{model}/?q=checkout-4711").content.decode()
        assert "note.asked" not in staff.get(f"{ADMIN}/{model}/?q=checkout-0000").content.decode()
    assert "not yet" in staff.get(f"{ADMIN}/delivery/{dead.pk}/change/").content.decode()
    assert "note.asked" in staff.get(f"{ADMIN}/delivery/?status__exact=dead").content.decode()


def test_a_dead_delivery_is_replayed_and_then_really_runs(
    staff: Client, dead: Delivery, atoll_bus: Bus
) -> None:
    assert "1 row: will run again." in act(staff, "delivery", "replay", dead.pk)
    assert atoll_bus.run_due() == 1
    dead.refresh_from_db()
    assert (dead.status, dead.attempts) == ("done", 1)
    assert list(Note.objects.values_list("text", flat=True)) == ["late"]
    assert "will run again" in LogEntry.objects.get().change_message


def test_replaying_a_done_delivery_changes_nothing(staff: Client, dead: Delivery, atoll_bus: Bus) -> None:
    act(staff, "delivery", "replay", dead.pk)
    atoll_bus.run_due()
    logged = LogEntry.objects.count()
    assert "0 rows" in act(staff, "delivery", "replay", dead.pk)
    assert LogEntry.objects.count() == logged
    assert atoll_bus.run_due() == 0
    assert Note.objects.count() == 1


def test_discarding_needs_a_reason(staff: Client, dead: Delivery) -> None:
    assert "say why" in act(staff, "delivery", "discard", dead.pk)
    assert "one visible character" in act(staff, "delivery", "discard", dead.pk, reason="\u200b")
    dead.refresh_from_db()
    assert dead.status == "dead"
    act(staff, "delivery", "discard", dead.pk, reason="the customer left")
    dead.refresh_from_db()
    assert (dead.status, dead.error) == ("discarded", "Discarded: the customer left")


@pytest.mark.parametrize(
    ("model", "warning", "count"),
    [
        ("delivery", "These deliveries never run again.", "Dead letters: 1."),
        (
            "outbox",
            "These messages are never published: no service gets them.",
            "Messages that wait to be published: 1.",
        ),
        ("quarantine", "These messages are never delivered.", "Messages that wait for a decision: 1."),
    ],
)
def test_discarding_chosen_rows_asks_first_and_says_what_never_happens(
    staff: Client, dead: Delivery, model: str, warning: str, count: str
) -> None:
    publish(NoteWritten("a"))
    quarantine.add(Arrival("q", "k", b"{", {}, {}), "no JSON")
    rows: dict[str, Any] = {
        "delivery": dead,
        "outbox": Outbox.objects.get(),
        "quarantine": Quarantine.objects.get(),
    }
    row = rows[model]
    before = row.status
    sent = {"action": "discard", "_selected_action": [str(row.pk)], "reason": "a mistake"}
    page = staff.post(f"{ADMIN}/{model}/", sent, follow=True).content.decode()
    assert warning in page
    assert count in page
    row.refresh_from_db()
    assert row.status == before
    assert not LogEntry.objects.exists()
    assert "1 row: discarded: a mistake." in act(staff, model, "discard", row.pk, reason="a mistake")


def test_an_outgoing_message_can_be_sent_again_or_given_up(staff: Client) -> None:
    publish(NoteWritten("a"))
    publish(NoteWritten("b"))
    first, second = Outbox.objects.order_by("id")
    Outbox.objects.filter(pk=first.pk).update(status="published")
    act(staff, "outbox", "publish_now", first.pk)
    act(staff, "outbox", "discard", second.pk, reason="sent by mistake")
    assert list(Outbox.objects.order_by("id").values_list("status", "error")) == [
        ("pending", ""),
        ("discarded", "Discarded: sent by mistake"),
    ]


def test_a_quarantined_message_shows_its_bytes_and_is_delivered_once_it_can_be_read(
    staff: Client, atoll_bus: Bus
) -> None:
    body = json.dumps({"command": "write.note", "data": {"text": "<script>late</script>"}}).encode()
    quarantine.add(Arrival("cmd.library-service", "library-service", body, {}, {}), "no handler")
    row = Quarantine.objects.get()
    page = staff.get(f"{ADMIN}/quarantine/{row.pk}/change/").content.decode()
    assert "&lt;script&gt;late&lt;/script&gt;" in page
    assert "<script>late" not in page
    assert "0 rows" in act(staff, "quarantine", "replay", row.pk)

    from atoll.bus import handles

    @handles("write.note")
    def write(command: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=command["text"])

    assert "1 row: delivered." in act(staff, "quarantine", "replay", row.pk)
    Delivery.objects.update(hint_at="2000-01-01T00:00:00Z")
    assert atoll_bus.run_due() == 1
    assert Note.objects.get().text == "<script>late</script>"


def test_the_ledger_cannot_be_edited_by_hand(staff: Client, dead: Delivery) -> None:
    assert staff.get(f"{ADMIN}/delivery/add/").status_code == 403
    assert staff.post(f"{ADMIN}/delivery/{dead.pk}/change/", {"status": "done"}).status_code == 403
    assert staff.post(f"{ADMIN}/delivery/{dead.pk}/delete/", {"post": "yes"}).status_code == 403
    dead.refresh_from_db()
    assert dead.status == "dead"


def test_dead_letters_and_quarantine_are_on_the_front_page(staff: Client, dead: Delivery) -> None:
    page = staff.get("/admin/").content.decode()
    assert f"{ADMIN}/dead-letters/" in page
    assert "Dead letters" in page
    assert f"{ADMIN}/overview/" in page


def test_a_list_shortens_an_id_and_links_to_its_trace(staff: Client, atoll_bus: Bus) -> None:
    correlation = "0199a1b2-0000-7000-8000-00000000abcd"

    @on("note.asked")
    def write(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=event["text"])

    atoll_bus.deliver("note.asked", {"text": "once"}, times=1, correlation_id=correlation)

    for model in ("delivery", "inbox"):
        shown = staff.get(f"{ADMIN}/{model}/").content.decode()
        assert f'href="{ADMIN}/where/?q={correlation}" title="{correlation}">…00000000abcd</a>' in shown


def test_many_rows_are_changed_at_once_and_leave_one_line_in_the_log(
    staff: Client, atoll_bus: Bus, django_assert_max_num_queries: Any
) -> None:
    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def fail(event: dict[str, Any], message: Message) -> None:
        raise ValueError("no")

    for _ in range(101):
        atoll_bus.deliver("note.asked", {}, times=1)
    [first] = Delivery.objects.order_by("id")[:1]
    with django_assert_max_num_queries(40):
        response = staff.post(
            f"{ADMIN}/delivery/?status__exact=dead",
            {
                "action": "discard",
                "_selected_action": [str(first.pk)],
                "select_across": "1",
                "reason": "old",
                "confirmed": "discard_chosen",
            },
            follow=True,
        )
    assert "101 rows: discarded: old." in response.content.decode()
    assert Delivery.objects.filter(status="discarded", error="Discarded: old").count() == 101
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message) == ("101 deliveries", "discarded: old")


def test_only_rows_that_an_action_changed_are_logged(staff: Client, dead: Delivery, atoll_bus: Bus) -> None:
    @on("note.fine")
    def fine(event: dict[str, Any], message: Message) -> None: ...

    [done] = atoll_bus.deliver("note.fine", {}, times=1)
    assert "1 row: will run again." in act(staff, "delivery", "replay", dead.pk, done.pk)
    assert LogEntry.objects.get().object_id == str(dead.pk)


def test_a_delivery_is_replayed_and_discarded_from_its_own_page(
    staff: Client, dead: Delivery, atoll_bus: Bus
) -> None:
    page = f"{ADMIN}/delivery/{dead.pk}"
    shown = staff.get(f"{page}/change/").content.decode()
    assert f"{page}/replay" in shown
    assert f"{page}/discard" in shown

    assert "note.asked" in staff.get(f"{page}/discard/").content.decode()
    assert "This field is required" in staff.post(f"{page}/discard/", {"reason": " "}).content.decode()
    dead.refresh_from_db()
    assert dead.status == "dead"
    assert staff.post(f"{page}/discard/", {"reason": "no longer wanted"}).status_code == 302
    dead.refresh_from_db()
    assert (dead.status, dead.error) == ("discarded", "Discarded: no longer wanted")

    assert staff.get(f"{page}/replay/").status_code == 200
    dead.refresh_from_db()
    assert dead.status == "discarded"
    staff.post(f"{page}/replay/")
    assert atoll_bus.run_due() == 1
    dead.refresh_from_db()
    assert dead.status == "done"
    shown = staff.get(f"{page}/change/").content.decode()
    assert f"{page}/replay" not in shown
    assert f"{page}/edit" not in shown


def test_a_quarantined_message_is_discarded_from_its_own_page(staff: Client) -> None:
    quarantine.add(Arrival("evt.library-service", "note.asked", b"{", {}, {}), "no JSON")
    row = Quarantine.objects.get()
    staff.post(f"{ADMIN}/quarantine/{row.pk}/discard/", {"reason": "a test of theirs"})
    row.refresh_from_db()
    assert (row.status, row.note) == ("discarded", "a test of theirs")


@pytest.mark.parametrize("address", ["", "replay/", "edit/", "discard/"])
def test_a_missing_row_is_not_found(staff: Client, address: str) -> None:
    unknown = "0199a1b2-0000-7000-8000-00000000abcd"
    answer = staff.get(f"{ADMIN}/delivery/{unknown}/{address or 'change/'}")
    assert answer.status_code in (302, 404)
    assert staff.get(f"{ADMIN}/delivery/no-uuid/{address or 'change/'}").status_code in (302, 400, 404)


def test_a_caller_without_the_permission_changes_nothing(client: Client, dead: Delivery) -> None:
    for address in ("replay/", "edit/", "discard/"):
        answer = client.post(f"{ADMIN}/delivery/{dead.pk}/{address}", {"reason": "x", "payload": "{}"})
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]
    dead.refresh_from_db()
    assert dead.status == "dead"
