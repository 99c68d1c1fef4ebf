"""A handler keeps its deliveries over a new name, a new version and its retirement."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from atoll.bus import on
from atoll.bus.delivery import executor, statements
from atoll.bus.delivery import store as deliveries
from atoll.bus.handlers import enrolment, known, registry, retiring
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery, KnownHandler, Quarantine
from atoll.bus.operations import recovery
from atoll.errors import Conflict, Misuse

from .arrivals import store, store_one
from .database_sessions import another_connection
from .versions import (
    COUNT,
    WRITE,
    arrival,
    become,
    count,
    moved,
    new,
    notes,
    old,
    silence,
    start,
    stored,
    write,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


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
