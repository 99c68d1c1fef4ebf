"""The ledger in the admin: find it, try it again, give it up with a reason."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from testproject.handlers import NoteWritten
from testproject.models import Note

from atoll.bus import Message, Retry, on, publish, quarantine
from atoll.bus.models import Delivery, Outbox, Quarantine
from atoll.bus.quarantine import Arrival
from atoll.testing.bus import Bus

pytestmark = pytest.mark.usefixtures("handlers")

ADMIN = "/admin/atoll_bus"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def dead(bus: Bus) -> Delivery:
    """A dead delivery of a handler that works from its second message on."""
    seen: list[str] = []

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: dict[str, Any], message: Message) -> None:
        seen.append(message.id)
        if len(seen) == 1:
            raise ValueError("not yet")
        Note.objects.create(text=event["text"])

    (row,) = bus.deliver("note.asked", {"text": "late"}, times=1, correlation_id="checkout-4711")
    assert row.status == "dead"
    return row


def act(staff: Client, model: str, action: str, *ids: Any, reason: str = "") -> str:
    response = staff.post(
        f"{ADMIN}/{model}/",
        {"action": action, "_selected_action": [str(pk) for pk in ids], "reason": reason},
        follow=True,
    )
    assert response.status_code == 200
    return response.content.decode()


def test_a_message_is_found_by_its_correlation_id(staff: Client, dead: Delivery) -> None:
    for model in ("delivery", "inbox"):
        assert "note.asked" in staff.get(f"{ADMIN}/{model}/?q=checkout-4711").content.decode()
        assert "note.asked" not in staff.get(f"{ADMIN}/{model}/?q=checkout-0000").content.decode()
    assert "not yet" in staff.get(f"{ADMIN}/delivery/{dead.pk}/change/").content.decode()
    assert "note.asked" in staff.get(f"{ADMIN}/delivery/?status__exact=dead").content.decode()


def test_a_dead_delivery_is_replayed_and_then_really_runs(staff: Client, dead: Delivery, bus: Bus) -> None:
    assert "1 row: will run again." in act(staff, "delivery", "replay", dead.pk)
    assert bus.run_due() == 1
    dead.refresh_from_db()
    assert (dead.status, dead.attempts) == ("done", 1)
    assert list(Note.objects.values_list("text", flat=True)) == ["late"]
    assert "will run again" in LogEntry.objects.get().change_message


def test_replaying_what_is_done_changes_nothing(staff: Client, dead: Delivery, bus: Bus) -> None:
    act(staff, "delivery", "replay", dead.pk)
    bus.run_due()
    logged = LogEntry.objects.count()
    assert "0 rows" in act(staff, "delivery", "replay", dead.pk)
    assert LogEntry.objects.count() == logged
    assert bus.run_due() == 0
    assert Note.objects.count() == 1


def test_discarding_needs_a_reason(staff: Client, dead: Delivery) -> None:
    assert "say why" in act(staff, "delivery", "discard", dead.pk)
    dead.refresh_from_db()
    assert dead.status == "dead"
    act(staff, "delivery", "discard", dead.pk, reason="the customer left")
    dead.refresh_from_db()
    assert (dead.status, dead.error) == ("discarded", "Discarded: the customer left")


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
    staff: Client, bus: Bus
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
    assert bus.run_due() == 1
    assert Note.objects.get().text == "<script>late</script>"


def test_the_ledger_cannot_be_edited_by_hand(staff: Client, dead: Delivery) -> None:
    assert staff.get(f"{ADMIN}/delivery/add/").status_code == 403
    assert staff.post(f"{ADMIN}/delivery/{dead.pk}/change/", {"status": "done"}).status_code == 403
    assert staff.post(f"{ADMIN}/delivery/{dead.pk}/delete/", {"post": "yes"}).status_code == 403
    dead.refresh_from_db()
    assert dead.status == "dead"


def test_what_needs_attention_is_on_the_front_page(staff: Client, dead: Delivery) -> None:
    page = staff.get("/admin/").content.decode()
    assert f"{ADMIN}/delivery/?status__exact=dead" in page
    assert "Dead letters" in page


def test_a_list_shortens_an_id_and_leads_to_all_rows_with_it(staff: Client, bus: Bus) -> None:
    correlation = "0199a1b2-0000-7000-8000-00000000abcd"

    @on("note.asked")
    def write(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=event["text"])

    bus.deliver("note.asked", {"text": "once"}, times=1, correlation_id=correlation)

    for model in ("delivery", "inbox"):
        shown = staff.get(f"{ADMIN}/{model}/").content.decode()
        assert f'href="?q={correlation}" title="{correlation}">…00000000abcd</a>' in shown
