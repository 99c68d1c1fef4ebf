"""Two versions of one service at once: each stores for both and runs the handlers that it has."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from atoll.bus import handles
from atoll.bus.delivery import backlog, executor, unattended
from atoll.bus.delivery import store as deliveries
from atoll.bus.handlers import enrolment, known, registry
from atoll.bus.inbox.receiving import receive
from atoll.bus.inbox.store import HINT_GRACE_S
from atoll.bus.models import Delivery, Inbox, KnownHandler, Quarantine

from .arrivals import store, store_one
from .versions import (
    COUNT,
    WRITE,
    arrival,
    become,
    count,
    new,
    notes,
    old,
    silence,
    start,
    stored,
    write,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@pytest.mark.parametrize("name", ["note.asked", "note.added"])
def test_what_an_old_worker_receives_is_stored_for_the_handlers_of_the_new_one(name: str) -> None:
    start(new)
    start(old)
    receive([arrival(name, "x")])
    wanted = {WRITE, COUNT} if name == "note.asked" else {COUNT}
    assert set(stored()) == wanted
    for row in Delivery.objects.all():
        executor.execute(row.id)
    assert stored() == {
        handler: ("done", 1) if handler == WRITE else ("pending", 0) for handler in sorted(wanted)
    }
    become(new)
    assert executor.execute(Delivery.objects.get(handler=COUNT).id) == 1
    assert notes()[-1] == "count x"


def test_a_list_that_changed_since_it_was_read_is_read_again_before_anything_is_stored() -> None:
    start(old)
    stale = known.roster()
    start(new)
    become(old)
    known._roster = stale
    receive([arrival("note.asked", "x"), arrival("note.added", "y")])
    assert sorted(Delivery.objects.values_list("handler", "message__name")) == [
        (COUNT, "note.added"),
        (COUNT, "note.asked"),
        (WRITE, "note.asked"),
    ]
    assert Inbox.objects.count() == 2


def test_a_new_handler_waits_until_what_is_being_stored_is_stored() -> None:
    start(old)
    become(new)
    with transaction.atomic():
        store("note.asked", {"text": "x"})
        thread = threading.Thread(target=lambda: (enrolment.register(runs_handlers=True), connection.close()))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert not KnownHandler.objects.filter(handler=COUNT).exists()
    thread.join(20)
    assert KnownHandler.objects.filter(handler=COUNT).count() == 3


def test_a_command_that_only_the_new_version_handles_is_not_quarantined_by_the_old_one() -> None:
    start(old)
    stale = known.roster()
    start(new)
    become(old)
    known._roster = stale
    receive([arrival("count.notes", "x", kind="command"), arrival("burn.notes", "y", kind="command")])
    assert stored() == {COUNT: ("pending", 0)}
    assert Quarantine.objects.get().reason == "Nothing in this service handles the command burn.notes."


def test_a_database_that_does_not_tell_whether_a_command_is_handled_quarantines_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start(old)

    def is_away() -> known.Roster:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(known, "reload", is_away)
    with pytest.raises(OperationalError):
        receive([arrival("note.asked", "x"), arrival("count.notes", "y", kind="command")])
    assert (Quarantine.objects.count(), Inbox.objects.count()) == (0, 0)


def test_a_command_has_one_handler_although_the_versions_call_it_differently() -> None:
    handles("count.notes")(write)
    enrolment.register(runs_handlers=True)
    registry._handlers.clear()
    handles("count.notes")(count)
    enrolment.register(runs_handlers=True)
    assert set(stored_for("count.notes")) == {COUNT}
    become(lambda: handles("count.notes")(write))
    assert set(stored_for("count.notes")) == {COUNT}
    silence(COUNT)
    known.reload()
    assert set(stored_for("count.notes")) == {WRITE}


def stored_for(command: str) -> list[str]:
    """Return the handlers with a delivery of one more such command."""
    row = receive([arrival(command, "x", kind="command")])
    return list(Delivery.objects.filter(id__in=row).values_list("handler", flat=True))


def test_an_event_that_nobody_handles_is_stored_once() -> None:
    start(old)
    message = arrival("note.burnt", "x")
    assert receive([message, message]) == []
    assert (Inbox.objects.get().name, Delivery.objects.count()) == ("note.burnt", 0)


def test_hints_and_empty_hints_of_an_old_worker_count_no_attempt_and_the_hint_is_repeated_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "SLICE_S", 60.0)
    start(new)
    become(old)
    row = store_one("note.added", {"text": "x"})
    known.reload()
    assert executor.execute(row) == 0
    found = Delivery.objects.annotate(now=Now()).get()
    assert timedelta(0) < found.hint_at - found.now <= timedelta(seconds=unattended.SOON_S)
    Delivery.objects.update(hint_at=Now())
    assert backlog.work_off() is False
    assert deliveries.sweep(10) == [row]
    assert stored() == {COUNT: ("pending", 0)}
    become(new)
    Delivery.objects.update(hint_at=Now())
    assert backlog.work_off() is False
    assert stored() == {COUNT: ("done", 1)}


@pytest.mark.parametrize(
    ("due_for_s", "attended", "within_s"),
    [
        (0, True, unattended.SOON_S),
        (unattended.SOON_FOR_S - 5, False, unattended.SOON_S),
        (unattended.SOON_FOR_S + 1, True, unattended.LATER_S),
        (unattended.SOON_FOR_S + 1, False, unattended.UNSURE_S),
    ],
)
def test_a_hint_that_misses_the_right_worker_again_and_again_is_repeated_less_often(
    due_for_s: float, attended: bool, within_s: float
) -> None:
    start(new, runs_handlers=attended)
    start(old)
    row = store_one("note.added", {"text": "x"})
    due_since = Now() - timedelta(seconds=due_for_s)
    Delivery.objects.update(next_attempt_at=due_since, hint_at=Now() + timedelta(hours=1))
    assert executor.execute(row) == 0
    found = Delivery.objects.annotate(now=Now()).get()
    assert timedelta(seconds=within_s - 1) < found.hint_at - found.now <= timedelta(seconds=within_s)


def test_a_hint_that_gets_lost_after_many_that_missed_the_right_worker_is_repeated_as_soon_as_any() -> None:
    start(new)
    start(old)
    row = store_one("note.added", {"text": "x"})
    for _ in range(8):
        Delivery.objects.update(hint_at=Now())
        assert deliveries.sweep(10) == [row]
        assert executor.execute(row) == 0
    Delivery.objects.update(hint_at=Now())
    # This one never arrives.
    assert deliveries.sweep(10) == [row]
    found = Delivery.objects.annotate(now=Now()).get()
    assert found.hint_at - found.now <= timedelta(seconds=HINT_GRACE_S)


def test_what_no_worker_can_run_waits_without_hints_until_one_can() -> None:
    start(new)
    ids = [store_one("note.added", {"text": str(number)}) for number in range(30)]
    silence(COUNT)
    become(old)
    store("note.asked", {"text": "x"})
    due = Delivery.objects.get(handler=WRITE).id
    Delivery.objects.filter(handler=COUNT, message__name="note.asked").delete()
    Delivery.objects.update(hint_at=Now() - timedelta(minutes=1))
    assert deliveries.sweep(10) == [due]
    assert Delivery.objects.filter(handler=COUNT, waits_for="code").count() == 30
    assert deliveries.sweep(10) == []
    assert set(Delivery.objects.filter(handler=COUNT).values_list("attempts", "status")) == {(0, "pending")}
    start(new)
    become(old)
    assert set(deliveries.sweep(100)) == set(ids)


def test_a_bus_without_handlers_of_its_own_sends_hints_for_what_workers_can_run() -> None:
    start(new)
    row = store_one("note.added", {"text": "x"})
    Delivery.objects.filter(handler=COUNT).update(hint_at=Now())
    become(old)
    assert deliveries.sweep(10, runs_handlers=False) == [row]
    silence(COUNT)
    become(new)
    Delivery.objects.filter(handler=COUNT).update(hint_at=Now())
    assert deliveries.sweep(10, runs_handlers=False) == []
    assert Delivery.objects.get().waits_for == "code"
