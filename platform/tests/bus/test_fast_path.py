"""The fast path: handlers run in the transaction that stores their messages."""

import json
from asyncio import CancelledError
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import RFC_4122

import pytest
from django.db import IntegrityError, InterfaceError, connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs
from testproject.models import Note

from atoll import context
from atoll.bus import Ignore, Message, on, publish
from atoll.bus.broker import envelope
from atoll.bus.broker.messages import Arrival
from atoll.bus.delivery import executor, fast_path, handler_speed
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers import known
from atoll.bus.handlers.registry import handles
from atoll.bus.inbox import store
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery, Inbox, Outbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


@dataclass
class NoteAsked:
    text: str


@dataclass
class NoteWritten:
    type: ClassVar[str] = "note.written"
    text: str


def arrival(
    number: int, name: str = "note.asked", *, key: str = "", again: bool = False, kind: str = "eventType"
) -> Arrival:
    document = {
        "id": f"m-{number}",
        kind: name,
        "data": {"text": str(number)},
        "serviceId": "note-service",
        "correlationId": f"correlation-{number}",
    }
    headers: dict[str, Any] = {"x-atoll-key": key, "x-atoll-seq": number} if key else {}
    return Arrival("evt", name, json.dumps(document).encode(), {}, headers, is_redelivered=again)


def arrivals(*numbers: int, **rest: Any) -> list[Arrival]:
    return [arrival(number, **rest) for number in numbers]


def statuses() -> dict[str, tuple[str, int]]:
    rows = Delivery.objects.values_list("message__message_id", "status", "attempts")
    return {message_id: (status, attempts) for message_id, status, attempts in rows}


def notes() -> list[str]:
    return list(Note.objects.order_by("id").values_list("text", flat=True))


@pytest.fixture
def path() -> FastPath:
    """The fast path of a worker that started a while ago."""
    known.reload()
    return FastPath(first=0)


def write(event: NoteAsked, message: Message) -> None:
    Note.objects.create(text=event.text)
    publish(NoteWritten(event.text))


def test_a_batch_is_one_commit_with_its_effects_its_messages_and_no_hint(path: FastPath) -> None:
    on("note.asked")(write)
    transactions: list[object] = []

    @on("note.asked", name="sees.transaction")
    def see(event: NoteAsked, message: Message) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
            transactions.append(cursor.fetchone())

    assert receive(arrivals(1, 2, 3), path) == []
    assert notes() == ["1", "2", "3"]
    assert len(transactions) == 3
    assert len(set(transactions)) == 1
    assert statuses() == {f"m-{n}": ("done", 1) for n in (1, 2, 3)}
    assert not Delivery.objects.filter(finished_at=None).exists()
    assert sorted(Outbox.objects.values_list("name", "correlation_id")) == [
        ("note.written", f"correlation-{n}") for n in (1, 2, 3)
    ]


def test_a_copy_runs_nothing(path: FastPath) -> None:
    on("note.asked")(write)
    receive(arrivals(1, 1), path)
    receive(arrivals(1, 2), path)
    assert notes() == ["1", "2"]


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("broken"), Ignore("not mine"), SystemExit(1), CancelledError()],
    ids=["error", "ignore", "exit", "cancelled"],
)
def test_a_batch_that_fails_is_undone_and_each_delivery_runs_by_itself_counted(
    path: FastPath, failure: BaseException
) -> None:
    keys: dict[str, list[str]] = defaultdict(list)

    @on("note.asked", name="fails")
    def fail(event: NoteAsked, message: Message) -> None:
        Note.objects.create(text=event.text)
        keys[event.text].append(message.idempotency_key)
        if event.text == "2" and len(keys["2"]) == 1:
            raise failure

    fresh = receive(arrivals(1, 2, 3), path)
    assert (notes(), len(fresh)) == ([], 3)
    assert set(statuses().values()) == {("pending", 0)}
    for delivery_id in fresh:
        executor.execute(delivery_id)
    assert notes() == ["1", "2", "3"]
    assert set(statuses().values()) == {("done", 1)}
    # A service that the undone run called is called again under the same key.
    assert {text: len(set(used)) for text, used in keys.items()} == {"1": 1, "2": 1, "3": 1}
    assert [len(used) for used in keys.values()] == [2, 2, 1]
    # Until it has rested, the pool runs it alone.
    assert len(receive(arrivals(4), path)) == 1


def test_the_log_has_one_line_for_a_batch_after_its_commit_and_none_for_one_that_was_undone(
    path: FastPath,
) -> None:
    @on("note.asked", name="fails.at.three")
    def fail_at_three(event: NoteAsked, message: Message) -> None:
        if event.text == "3":
            raise RuntimeError("broken")

    with capture_logs() as logs:
        receive(arrivals(1, 2), path)
        receive(arrivals(3, 4), path)
    first, *others = logs
    assert (first["event"], first["count"]) == ("handlers done", 2)
    assert [(one["message_id"], one["handler"]) for one in first["messages"]] == [
        ("m-1", "fails.at.three"),
        ("m-2", "fails.at.three"),
    ]
    assert [one["event"] for one in others] == [
        "batch undone, its deliveries run one by one",
        "messages received",
    ]


@pytest.mark.parametrize("counted", ["redelivered", "first", "before", "pool", "slow", "stuck"])
def test_the_counted_path_keeps_each_message_that_needs_it(path: FastPath, counted: str) -> None:
    if counted == "before":

        def write_prepared(event: NoteAsked, message: Message, prepared: None) -> None:
            write(event, message)

        handles("note.asked", name="writes", before=lambda *_: None)(write_prepared)
    else:
        on("note.asked", name="writes", run="pool" if counted == "pool" else "auto")(write)
    if counted == "first":
        path = FastPath(first=1)
    if counted in ("slow", "stuck"):
        for _ in range(50 if counted == "slow" else 1):
            path.speed.ran("writes", 0.03 if counted == "slow" else 0.3)
    kind = "command" if counted == "before" else "eventType"
    fresh = receive(arrivals(1, again=counted == "redelivered", kind=kind), path)
    assert len(fresh) == 1
    assert statuses() == {"m-1": ("pending", 0)}
    if counted == "first":
        assert receive(arrivals(2), path) == []


def test_a_message_that_was_published_after_the_start_needs_not_be_counted() -> None:
    on("note.asked")(write)
    known.reload()
    new = replace(arrival(2), is_new=True)
    assert len(receive([arrival(1), new], FastPath())) == 1
    assert statuses() == {"m-1": ("pending", 0), "m-2": ("done", 1)}


def test_a_slow_handler_rests_for_longer_each_time_and_forgets_that_when_it_is_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(handler_speed.time, "monotonic", lambda: now)
    speed = handler_speed.HandlerSpeed()
    for rest_s in (10.0, 20.0, 40.0):
        for _ in range(handler_speed.FEWEST):
            assert speed.is_fast("writes")
            speed.ran("writes", 0.03)
        now += rest_s - 0.1
        assert not speed.is_fast("writes")
        now += 0.2
    for _ in range(handler_speed.SAMPLES):
        speed.ran("writes", 0.001)
    speed.ran("writes", 0.3)
    now += 10.1
    assert speed.is_fast("writes")


def test_on_a_busy_machine_where_storing_is_slow_too_a_handler_may_take_longer() -> None:
    speed = handler_speed.HandlerSpeed()
    for _ in range(handler_speed.SAMPLES):
        speed.stored(0.005)
        speed.ran("writes", 0.05)
    assert speed.is_fast("writes")
    for _ in range(handler_speed.SAMPLES):
        speed.stored(0.0005)
    speed.ran("writes", 0.05)
    assert not speed.is_fast("writes")


def test_one_slow_run_among_many_does_not_matter() -> None:
    speed = handler_speed.HandlerSpeed()
    for took_s in [0.1] + [0.001] * 60:
        speed.ran("writes", took_s)
        assert speed.is_fast("writes")


def test_of_two_handlers_one_runs_at_once_and_the_other_in_the_pool(path: FastPath) -> None:
    on("note.asked", name="now")(write)

    @on("note.asked", name="later", run="pool")
    def later(event: NoteAsked, message: Message) -> None:
        Note.objects.create(text=f"later {event.text}")

    fresh = receive(arrivals(1), path)
    rows = dict(Delivery.objects.values_list("handler", "status"))
    assert (rows, notes()) == ({"now": "done", "later": "pending"}, ["1"])
    executor.execute(fresh[0])
    assert notes() == ["1", "later 1"]


def test_a_lane_runs_in_order_and_waits_behind_what_waits(path: FastPath) -> None:
    on("note.asked", ordered=True, name="ordered")(write)
    assert receive([arrival(n, key=key) for n, key in ((1, "a"), (2, "a"), (3, "b"), (4, "a"))], path) == []
    assert notes() == ["1", "2", "3", "4"]
    assert set(statuses().values()) == {("done", 1)}
    Delivery.objects.filter(message__message_id="m-4").update(status="dead")
    assert len(receive([arrival(5, key="a"), arrival(6, key="b"), arrival(7, key="a")], path)) == 2
    assert notes() == ["1", "2", "3", "4", "6"]
    Delivery.objects.filter(message__message_id="m-4").update(status="discarded")
    for row in Delivery.objects.filter(status="pending").order_by("position"):
        executor.execute(row.id)
    assert notes() == ["1", "2", "3", "4", "6", "5", "7"]


def test_a_message_that_was_overtaken_does_not_run(path: FastPath) -> None:
    on("note.asked", ordered=True, name="ordered")(write)
    receive([arrival(9, key="a")], path)
    (late,) = receive([arrival(8, key="a")], path)
    executor.execute(late)
    assert (notes(), statuses()["m-8"][0]) == (["9"], "dead")


def test_a_batch_that_waits_for_a_lock_does_not_hold_up_the_consumer(path: FastPath) -> None:
    from .database_sessions import another_connection

    Note.objects.create(text="held")

    @on("note.asked", name="locks")
    def lock(event: NoteAsked, message: Message) -> None:
        Note.objects.filter(text="held").update(text="held")

    with another_connection() as holder:
        holder.execute("BEGIN")
        holder.execute(f"UPDATE {Note._meta.db_table} SET text = 'held'")  # noqa: S608
        assert len(receive(arrivals(1), path)) == 1
        holder.execute("ROLLBACK")
    assert statuses() == {"m-1": ("pending", 0)}


def test_a_handler_that_is_cut_off_holds_the_consumer_up_more_rarely_each_time(
    path: FastPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run never ends on this path, so it is never measured there."""
    monkeypatch.setattr(fast_path, "SETTINGS", fast_path.SETTINGS.replace("2s", "300ms"))

    @on("note.asked", name="crawls")
    def crawl(event: NoteAsked, message: Message) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    passed_s = 0.0
    real = handler_speed.time.monotonic
    monkeypatch.setattr(handler_speed.time, "monotonic", lambda: real() + passed_s)
    for number, rest_s in enumerate((10.0, 20.0, 40.0)):
        assert path.speed.is_fast("crawls")
        assert len(receive(arrivals(number), path)) == 1
        passed_s += rest_s - 1.0
        assert not path.speed.is_fast("crawls")
        passed_s += 1.1


def test_a_session_that_ended_is_an_interruption(path: FastPath) -> None:
    @on("note.asked", name="cuts")
    def cut(event: NoteAsked, message: Message) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(InterfaceError, match="consumer's lock"):
        receive(arrivals(1), path)
    assert Inbox.objects.count() == 0


def swallow_an_error(event: NoteAsked, message: Message) -> None:
    """The last statement fails, and nobody hears of it."""
    with suppress(IntegrityError):
        Note.objects.create(id=event_note().id, text="twice")


def end_the_transaction(event: NoteAsked, message: Message) -> None:
    transaction.set_rollback(True)


def swallow_below_the_orm(event: NoteAsked, message: Message) -> None:
    with suppress(Exception), connection.connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def event_note() -> Note:
    return Note.objects.create(text="once")


@pytest.mark.parametrize("handler", [swallow_an_error, end_the_transaction, swallow_below_the_orm])
def test_a_handler_that_breaks_the_transaction_in_silence_loses_no_message(
    path: FastPath, handler: Callable[..., None]
) -> None:
    on("note.asked", name="breaks")(handler)
    on("note.asked", name="writes")(write)
    fresh = receive(arrivals(1), path)
    assert len(fresh) == 2
    assert set(statuses().values()) == {("pending", 0)}
    assert not path.speed.is_fast("breaks")
    assert path.speed.is_fast("writes")


def test_a_handler_that_closes_the_session_interrupts_the_consumer(path: FastPath) -> None:
    @on("note.asked", name="closes")
    def close(event: NoteAsked, message: Message) -> None:
        connection.close()

    with pytest.raises(InterfaceError, match="consumer's lock"):
        receive(arrivals(1), path)
    assert Inbox.objects.count() == 0
    connection.close()
    with pytest.raises(InterfaceError, match="consumer's lock"):
        path.store([], counted=(), new=(), old=(), runs_old=False)


def test_an_error_that_a_lost_session_caused_does_not_look_like_one_of_the_message(path: FastPath) -> None:
    @on("note.asked", name="wraps")
    def wrap(event: NoteAsked, message: Message) -> None:
        connection.connection.close()
        raise ValueError

    with pytest.raises(InterfaceError, match="consumer's lock"):
        receive(arrivals(1), path)


def test_what_runs_after_the_commit_has_its_context_and_fails_for_itself(path: FastPath) -> None:
    seen: list[object] = []

    @on("note.asked", name="hooks")
    def hook(event: NoteAsked, message: Message) -> None:
        Note.objects.create(text=event.text)
        transaction.on_commit(lambda: seen.append((context.correlation_id(), context.idempotency_key())))
        transaction.on_commit(lambda: 1 / 0)

    on("note.asked", name="waits", run="pool")(write)
    assert len(receive(arrivals(1, 2), path)) == 2
    assert notes() == ["1", "2"]
    keys = Delivery.objects.filter(handler="hooks").order_by("message_id").values_list("id", flat=True)
    assert seen == [(f"correlation-{n}", str(key)) for n, key in zip((1, 2), keys, strict=True)]


def test_a_message_that_comes_before_an_earlier_one_of_its_lane_keeps_that_one_from_running(
    path: FastPath,
) -> None:
    on("note.asked", ordered=True, name="ordered")(write)
    (late,) = receive([arrival(5, key="a"), arrival(4, key="a")], path)
    executor.execute(late)
    assert (notes(), statuses()["m-4"][0]) == (["5"], "dead")


def test_handlers_of_one_message_do_not_see_each_others_changes_of_its_data(path: FastPath) -> None:
    seen: list[dict[str, Any]] = []

    def change(event: dict[str, Any], message: Message) -> None:
        seen.append(dict(event))
        event.clear()

    on("note.asked", name="first")(change)

    @on("note.asked", name="second")
    def change_again(event: dict[str, Any], message: Message) -> None:
        change(event, message)

    assert receive(arrivals(1), path) == []
    assert seen == [{"text": "1"}] * 2


def test_of_two_messages_with_one_id_the_stored_one_runs(path: FastPath) -> None:
    on("note.asked")(write)
    first, second = arrivals(1, 2)
    second = replace(second, body=second.body.replace(b"m-2", b"m-1"))
    receive([first, second], path)
    assert notes() == ["1"]
    assert json.loads(Inbox.objects.get().body)["data"] == {"text": "1"}


def crowd(*numbers: int) -> list[Arrival]:
    """Messages that were sent long ago and come together."""
    long_ago = (timezone.now() - timedelta(minutes=1)).isoformat()
    return [
        replace(one, body=json.dumps(json.loads(one.body) | {"timestamp": long_ago}).encode())
        for one in arrivals(*numbers)
    ]


def test_a_backlog_is_only_stored_and_worked_off_between_looks_at_the_queue(path: FastPath) -> None:
    on("note.asked")(write)
    path.work_off()
    assert not path.is_behind.is_set()
    assert receive(crowd(*range(12)), path) == []
    assert (notes(), path.is_behind.is_set()) == ([], True)
    receive(arrivals(100), path)
    assert notes() == ["100"]
    assert path.work_off() == []
    assert len(notes()) == 1 + fast_path.SLICE
    assert path.note_backlog()
    for _ in range(2):
        path.work_off(is_alone=True)
    assert sorted(notes(), key=int) == [*map(str, range(12)), "100"]
    assert set(statuses().values()) == {("done", 1)}
    assert not path.is_behind.is_set()
    assert not path.note_backlog()


def test_of_a_backlog_nothing_runs_uncounted_twice(path: FastPath) -> None:
    runs: Counter[str] = Counter()

    @on("note.asked", name="fails")
    def fail(event: NoteAsked, message: Message) -> None:
        runs[event.text] += 1
        if event.text == "2":
            raise RuntimeError

    receive(crowd(*range(8)), path)
    left = path.work_off()
    assert len(left) == fast_path.SLICE
    assert set(statuses().values()) == {("pending", 0)}
    path.speed._rests_until.clear()
    # The five are marked, so only the other three run.
    assert path.work_off() == []
    assert sum(runs.values()) <= fast_path.SLICE + 3
    for delivery_id in left:
        executor.execute(delivery_id)
    assert [status for status, _ in statuses().values()].count("done") == 7


def test_a_backlog_of_the_pool_is_left_to_the_pool(path: FastPath) -> None:
    on("note.asked", run="pool")(write)
    assert path.note_backlog()
    receive(crowd(*range(8)), path)
    assert path.work_off() == []
    assert not path.is_behind.is_set()
    assert not path.note_backlog()


NAMED = "0192f3a1-7c00-7abc-8def-0123456789ab"


@pytest.mark.parametrize(
    ("document", "prefix"),
    [
        ({"id": NAMED, "timestamp": "2020-01-01T00:00:00Z"}, NAMED[:13]),
        ({"id": "order-1", "timestamp": "2020-01-01T00:00:00Z"}, "016f5e66-e800"),
        ({"id": "order-1", "timestamp": "1960-01-01T00:00:00Z"}, "00000000-0000"),
        ({"id": "order-1", "timestamp": "yesterday"}, "00000000-0000"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "e677d21f-d818"),
        ({}, "00000000-0000"),
    ],
)
def test_the_id_of_a_delivery_depends_on_message_and_handler_alone_and_sorts_by_time(
    document: dict[str, Any], prefix: str
) -> None:
    body = json.dumps({"eventType": "note.asked", "data": {}, "serviceId": "note-service"} | document)
    ids = [store.delivery_id(envelope.parse(body.encode(), {}, {}), handler) for handler in ("a", "a", "b")]
    assert ids[0] == ids[1] != ids[2]
    assert {str(identifier)[:13] for identifier in ids} == {prefix}
    assert {(identifier.version, identifier.variant) for identifier in ids} == {(8, RFC_4122)}
