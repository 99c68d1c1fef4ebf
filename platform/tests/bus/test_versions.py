"""Two versions of one service at once: each stores for both and runs the handlers that it has."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from testproject.models import Note

from atoll.bus import Message, handles, on
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.transports import open_publisher
from atoll.bus.delivery import backlog, executor, statements, unattended
from atoll.bus.delivery import store as deliveries
from atoll.bus.handlers import enrolment, known, registry, retiring
from atoll.bus.inbox import consumer_lock
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.ingest import Ingestor
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery, Inbox, KnownHandler, Quarantine
from atoll.bus.operations import recovery
from atoll.bus.outbox import relay
from atoll.bus.publishing import publish_raw
from atoll.errors import Conflict, Misuse
from atoll.ids import uuid7

from . import brokers
from .arrivals import store, store_one
from .conftest import Until
from .database_sessions import another_connection
from .receiver import receiving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

Version = Callable[[], None]


@dataclass
class Asked:
    text: str


def write(event: Asked, message: Message) -> None:
    Note.objects.create(text=f"write {event.text}")


def count(event: Asked, message: Message) -> None:
    Note.objects.create(text=f"count {event.text}")


def moved(event: Asked, message: Message) -> None:
    Note.objects.create(text=f"moved {event.text}")


WRITE, COUNT = f"{write.__module__}.write", f"{count.__module__}.count"


def old() -> None:
    on("note.asked")(write)


def new() -> None:
    on("note.asked")(write)
    on("note.asked")(count)
    on("note.added")(count)
    handles("count.notes")(count)


def become(version: Version) -> None:
    """Give this process the code of one version only."""
    registry._handlers.clear()
    version()


def start(version: Version, *, runs_handlers: bool = True) -> None:
    """Start as a worker of that version does."""
    become(version)
    enrolment.register(runs_handlers=runs_handlers)


def silence(*handlers: str) -> None:
    """Age the last sign of all workers, as if they were gone for long."""
    KnownHandler.objects.filter(handler__in=handlers).update(
        seen_at=F("seen_at") - timedelta(minutes=5), known_since=F("known_since") - timedelta(minutes=5)
    )


def arrival(name: str, text: str, kind: str = "eventType") -> Arrival:
    body = json.dumps({"id": str(uuid7()), kind: name, "data": {"text": text}, "serviceId": "s"})
    return Arrival("queue", name, body.encode(), {}, {})


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def stored() -> dict[str, tuple[str, int]]:
    """Return status and attempts of each handler's delivery of the one message."""
    return {row.handler: (row.status, row.attempts) for row in Delivery.objects.all()}


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
    ("hints", "attended", "within_s"),
    [
        (0, True, unattended.SOON_S),
        (9, False, unattended.SOON_S),
        (10, True, unattended.LATER_S),
        (10, False, unattended.UNSURE_S),
    ],
)
def test_a_hint_that_misses_the_right_worker_again_and_again_is_repeated_less_often(
    hints: int, attended: bool, within_s: float
) -> None:
    start(new, runs_handlers=attended)
    start(old)
    row = store_one("note.added", {"text": "x"})
    Delivery.objects.update(hints=hints, hint_at=Now() + timedelta(hours=1))
    assert executor.execute(row) == 0
    found = Delivery.objects.annotate(now=Now()).get()
    assert timedelta(seconds=within_s - 1) < found.hint_at - found.now <= timedelta(seconds=within_s)


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


def test_a_moved_function_with_an_alias_is_the_same_handler_for_both_versions() -> None:
    start(old)
    before = store_one("note.asked", {"text": "before"})

    def renamed() -> None:
        on("note.asked", name="write_note", aliases=[WRITE])(moved)

    start(renamed)
    between = store_one("note.asked", {"text": "between"})
    assert Delivery.objects.get(id=before).handler == "write_note"
    become(old)
    enrolment.register(runs_handlers=True)
    after = store_one("note.asked", {"text": "after"})
    assert [executor.execute(row) for row in (between, after)] == [1, 1]
    become(renamed)
    assert executor.execute(before) == 1
    assert notes() == ["write between", "write after", "moved before"]
    assert list(KnownHandler.objects.values_list("handler", "aliases")) == [("write_note", [WRITE])]
    assert set(Delivery.objects.values_list("handler", "status", "attempts")) == {("write_note", "done", 1)}


def test_a_lane_stays_one_lane_when_its_handler_gets_a_name() -> None:
    on("note.asked", ordered=True)(write)
    enrolment.register(runs_handlers=True)
    first = store_one("note.asked", {"text": "1"}, key="a", sequence=1)
    registry._handlers.clear()
    on("note.asked", ordered=True, name="write_note", aliases=[WRITE])(write)
    enrolment.register(runs_handlers=True)
    second = store_one("note.asked", {"text": "2"}, key="a", sequence=2)
    assert [executor.execute(second), executor.execute(first)] == [0, 2]
    assert notes() == ["write 1", "write 2"]


@pytest.mark.parametrize(
    "names",
    [
        {"name": "write_note"},
        {"name": "count_note", "aliases": ["write_note"]},
        {"aliases": ["write_note"]},
        {"name": WRITE},
    ],
)
def test_two_functions_cannot_have_one_name(names: dict[str, object]) -> None:
    on("note.asked", name="write_note", aliases=[WRITE])(write)
    with pytest.raises(Misuse, match="both called"):
        on("note.added", **names)(count)  # type: ignore[arg-type]
    assert [handler.id for handler in registry.handlers()] == ["write_note"]


@pytest.mark.parametrize("name", ["two words", "a" * 251, "semi;colon"])
def test_a_name_is_short_and_plain(name: str) -> None:
    with pytest.raises(Misuse, match="cannot be called"):
        on("note.asked", name=name)(write)
    assert registry.handlers() == []


def test_a_handler_that_disappeared_is_retired_by_a_decision_and_its_deliveries_with_it() -> None:
    start(new)
    waiting, dead, running = (store_one("note.added", {"text": text}) for text in "abc")
    Delivery.objects.filter(id=dead).update(status="dead")
    assert deliveries.claim(running)
    become(old)
    with pytest.raises(Conflict):
        retiring.retire(COUNT, by="ada", why="gone")
    assert set(Delivery.objects.values_list("status", flat=True)) == {"pending", "dead", "running"}
    silence(COUNT)
    found = retiring.standing(COUNT)
    assert found
    assert (found.waiting, found.dead, found.may_be_retired) == (2, 1, True)
    assert retiring.retire(COUNT, by="ada", why="It moved to another service.") == 2
    discarded = Delivery.objects.get(id=waiting)
    assert discarded.status == "discarded"
    assert discarded.error == "Discarded: its handler was retired. It moved to another service."
    receive([arrival("note.added", "later"), arrival("count.notes", "x", kind="command")])
    assert Delivery.objects.count() == 3
    assert Quarantine.objects.count() == 1
    Delivery.objects.filter(id=running).update(status="pending", waits_for="code")
    known.reload()
    assert retiring.discard_left_over() == 1
    start(new)
    assert receive([arrival("note.added", "again")])
    assert recovery.replay_deliveries([waiting]) == 1
    assert executor.execute(waiting) == 1


def test_a_handler_from_before_the_list_began_can_be_retired() -> None:
    on("note.asked")(write)
    row = store_one("note.asked", {"text": "x"})
    registry._handlers.clear()
    found = retiring.standing(WRITE)
    assert found
    assert (found.known_since, found.waiting) == (None, 1)
    assert retiring.retire(WRITE, by="ada", why="gone") == 1
    assert Delivery.objects.get(id=row).status == "discarded"


def test_a_handler_that_takes_less_gets_the_rest_only_while_an_older_version_runs() -> None:
    def narrow() -> None:
        on("note.asked")(count)

    def wide() -> None:
        on("note.*")(count)

    start(wide)
    start(narrow)
    shared = store_one("note.added", {"text": "x"})
    assert executor.execute(shared) == 0
    assert stored() == {COUNT: ("pending", 0)}
    Delivery.objects.update(next_attempt_at=Now())
    KnownHandler.objects.filter(name="note.*").update(seen_at=F("seen_at") - timedelta(minutes=5))
    enrolment.register(runs_handlers=True)
    assert store("note.added", {"text": "y"}) == []
    assert executor.execute(shared) == 0
    row = Delivery.objects.get()
    assert (row.status, row.error) == ("discarded", f"No version of {COUNT} takes note.added any more.")
    assert store("note.asked", {"text": "z"})


def test_order_is_kept_until_the_last_version_that_asked_for_it_has_gone() -> None:
    on("note.asked", ordered=True)(write)
    enrolment.register(runs_handlers=True)
    become(old)
    enrolment.register(runs_handlers=True)
    store_one("note.asked", {"text": "x"}, key="a", sequence=1)
    assert Delivery.objects.get().lane == "note-service/a"
    KnownHandler.objects.update(seen_ordered_at=F("seen_ordered_at") - timedelta(minutes=5))
    enrolment.register(runs_handlers=True)
    second = store_one("note.asked", {"text": "y"}, key="a", sequence=2)
    assert Delivery.objects.get(id=second).lane == ""


def test_a_worker_that_did_not_hear_of_an_order_keeps_it() -> None:
    on("note.asked", ordered=True)(write)
    enrolment.register(runs_handlers=True)
    first, second = (store_one("note.asked", {"text": str(n)}, key="a", sequence=n) for n in (1, 2))
    become(old)
    stale = {"now": None, "has_ordered": False}
    assert deliveries.claim_with(statements.CLAIM_UNORDERED, {"id": second, **stale}) is None
    assert deliveries.claim_with(statements.CLAIM_UNORDERED, {"id": first, **stale}) is None
    assert [executor.execute(row) for row in (second, first)] == [0, 2]
    assert notes() == ["write 1", "write 2"]


def test_what_is_running_is_not_waited_for_when_its_handler_gets_a_name() -> None:
    start(old)
    running = store_one("note.asked", {"text": "x"})
    with another_connection() as holder:
        holder.execute("BEGIN; SELECT 1 FROM atoll_bus_delivery WHERE id = %s FOR UPDATE", [str(running)])
        registry._handlers.clear()
        on("note.asked", name="write_note", aliases=[WRITE])(write)
        enrolment.register(runs_handlers=True)
        holder.execute("ROLLBACK")
    assert Delivery.objects.get().handler == WRITE
    assert executor.execute(running) == 1


def test_a_migrated_ledger_goes_on_with_the_deliveries_it_has() -> None:
    old()
    row = store_one("note.asked", {"text": "x"})
    assert KnownHandler.objects.count() == 0
    assert (deliveries.sweep(10), executor.execute(row)) == ([], 1)
    assert notes() == ["write x"]


def test_a_running_ingest_binds_what_another_version_made_known_and_unbinds_what_was_retired(
    broker: str, until: Until
) -> None:
    old()
    publisher = open_publisher()
    with receiving():
        start(new)
        become(old)

        def is_received(name: str) -> bool:
            with transaction.atomic():
                publish_raw(name, {"text": "x"})
            relay.step(publisher)
            return Inbox.objects.filter(name=name).exists()

        until(lambda: is_received("note.added"))
        silence(COUNT)
        retiring.retire(COUNT, by="ada", why="gone")
        until(lambda: not brokers.current().is_bound("note.added"))
        assert brokers.current().is_bound("note.asked")
    publisher.close()


def test_ingest_makes_way_when_another_version_wants_its_messages_in_order(broker: str, until: Until) -> None:
    old()
    consumers = [Ingestor(lambda _: None) for _ in range(2)]
    threads = [threading.Thread(target=each.run) for each in consumers]
    for thread in threads:
        thread.start()
    until(lambda: all(each.consuming.is_set() for each in consumers))
    registry._handlers.clear()
    on("note.asked")(write)
    on("note.added", ordered=True)(count)
    enrolment.register(runs_handlers=True)
    become(old)
    until(lambda: sum(each.consuming.is_set() for each in consumers) == 1)
    until(lambda: all(each.ready.is_set() for each in consumers))
    assert sum(each.consuming.is_set() for each in consumers) == 1
    for each in consumers:
        each.stop()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_what_must_be_in_order_is_not_stored_beside_others() -> None:
    on("note.asked", ordered=True)(write)
    found: list[object] = []

    def beside() -> None:
        assert consumer_lock.take(alone=False)
        try:
            store("note.asked", {"text": "x"}, key="a", sequence=1)
        except inbox.LockIsShared as refusal:
            found.append(refusal)
        connection.close()

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join(20)
    assert len(found) == 1
    assert Inbox.objects.count() == 0
