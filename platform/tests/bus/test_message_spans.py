"""The trace of a message: from where it was published over the relay to each attempt of each handler."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.utils import timezone
from testproject.models import Note

from atoll import context, tracing
from atoll.bus import Ignore, Message, handles, on, publish, schedule
from atoll.bus.broker import envelope
from atoll.bus.broker.messages import Arrival
from atoll.bus.delivery import executor
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers import known
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Delivery, Outbox
from atoll.bus.outbox import relay
from atoll.testing.bus import Bus
from atoll.tracing import Record, process
from atoll.tracing.recorder import Recorder

from .recording_publisher import RecordingPublisher

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{SPAN}-01"


@dataclass
class NoteAsked:
    text: str


@dataclass
class NoteWritten:
    type: ClassVar[str] = "note.written"
    text: str


@dataclass
class Remind:
    command: ClassVar[str] = "remind"
    text: str


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    mine = Recorder()
    former = process.use(mine)
    yield mine
    process.use(former)


@pytest.fixture
def path() -> FastPath:
    """The fast path of a worker that started a while ago."""
    known.reload()
    return FastPath(first=0)


def arrival(number: int = 1, traceparent: Any = HEADER) -> Arrival:
    document = {"id": f"m-{number}", "eventType": "note.asked", "data": {"text": str(number)}}
    return Arrival("evt", "note.asked", json.dumps(document).encode(), {}, {"traceparent": traceparent})


def taken(recorder: Recorder) -> list[Record]:
    return recorder.take(100)


def test_a_message_carries_the_place_of_its_publishing_over_the_relay(recorder: Recorder) -> None:
    with (
        context.work(correlation_id="checkout-4711"),
        tracing.span("POST /notes", "server") as request,
        transaction.atomic(),
    ):
        message_id = publish(NoteWritten("hello"))
    to = RecordingPublisher()
    relay.step(to)
    row = Outbox.objects.get()
    header = envelope.traceparent(row.correlation_id, row.message_id, row.traceparent)
    place = tracing.parse(header)
    assert place is not None
    assert (place.trace_id, place.span_id) == (request.place.trace_id, str(message_id).replace("-", "")[16:])
    spans = {span.name: span for span in taken(recorder)}
    published = spans["publish note.written"]
    assert (published.trace_id, published.span_id) == (place.trace_id, place.span_id)
    assert published.parent_id == request.place.span_id


def test_a_message_that_was_rolled_back_has_no_span(recorder: Recorder) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(NoteWritten("hello"))
        schedule_nothing()
    relay.step(RecordingPublisher())
    assert taken(recorder) == []


def schedule_nothing() -> None:
    raise RuntimeError("changed its mind")


@pytest.mark.parametrize("fast", [True, False])
def test_each_message_of_a_batch_continues_its_own_trace(
    recorder: Recorder, path: FastPath, fast: bool
) -> None:
    @on("note.asked")
    def write(event: NoteAsked, message: Message) -> None:
        publish(NoteWritten(event.text))

    traces = {number: f"{number:032x}" for number in (1, 2, 3)}
    batch = [arrival(number, f"00-{trace}-{SPAN}-01") for number, trace in traces.items()]
    if fast:
        assert receive(batch, path) == []
    else:
        for delivery_id in receive(batch):
            executor.execute(delivery_id)
    spans = taken(recorder)
    assert {span.trace_id: span.parent_id for span in spans} == dict.fromkeys(traces.values(), SPAN)
    assert {span.name for span in spans} == {"process note.asked"}
    by_trace = {span.trace_id: span.span_id for span in spans}
    for row in Outbox.objects.all():
        place = tracing.parse(row.traceparent)
        assert place is not None
        assert by_trace[place.trace_id] == place.span_id


def test_every_attempt_is_a_span_and_the_failed_one_says_why(recorder: Recorder) -> None:
    @on("note.asked")
    def write(event: NoteAsked, message: Message) -> None:
        if message.attempt == 1:
            raise KeyError("price")
        Note.objects.create(text=event.text)

    (delivery_id,) = receive([arrival()])
    executor.execute(delivery_id)
    first, second = taken(recorder)
    assert (first.error, first.attributes["atoll.outcome"]) == ("KeyError: 'price'", "failed")
    assert (second.error, second.attributes["atoll.outcome"]) == ("", "done")
    assert [span.attributes["atoll.attempt"] for span in (first, second)] == [1, 2]
    assert {span.parent_id for span in (first, second)} == {SPAN}


def test_a_batch_that_is_undone_says_so_and_its_runs_come_again(recorder: Recorder, path: FastPath) -> None:
    @on("note.asked")
    def write(event: NoteAsked, message: Message) -> None:
        if event.text == "2":
            raise ValueError("no")

    hints = receive([arrival(1), arrival(2)], path)
    assert len(hints) == 2
    undone = taken(recorder)
    assert [span.attributes.get("atoll.undone") for span in undone] == [True, True]
    assert [span.error for span in undone] == ["", "ValueError: no"]


def test_ignoring_a_message_is_no_error(recorder: Recorder) -> None:
    @on("note.asked")
    def write(event: NoteAsked, message: Message) -> None:
        raise Ignore("seen before")

    (delivery_id,) = receive([arrival()])
    executor.execute(delivery_id)
    (span,) = taken(recorder)
    assert (span.error, span.attributes["atoll.outcome"]) == ("", "ignored")


@pytest.mark.parametrize("header", [None, 7, "", "nonsense", f"00-{TRACE}-{SPAN}-01-more", b"\xff" * 600])
def test_a_message_with_a_malformed_header_is_handled_in_a_trace_of_its_own(
    recorder: Recorder, header: Any
) -> None:
    @on("note.asked")
    def write(event: NoteAsked, message: Message) -> None:
        Note.objects.create(text=event.text)

    (delivery_id,) = receive([arrival(traceparent=header)])
    executor.execute(delivery_id)
    assert Delivery.objects.get().status == "done"
    (span,) = taken(recorder)
    assert span.parent_id == ""
    assert span.trace_id != TRACE


def test_a_timer_belongs_to_the_trace_in_which_it_was_set(atoll_bus: Bus, recorder: Recorder) -> None:
    @handles("remind")
    def remind(command: Remind, message: Message) -> None:
        Note.objects.create(text=command.text)

    with tracing.span("POST /notes", "server") as request, transaction.atomic():
        schedule(Remind("later"), after=timedelta(minutes=15))
    atoll_bus.run_due(timezone.now() + timedelta(minutes=16))
    spans = {span.name: span for span in taken(recorder)}
    assert spans["schedule remind"].parent_id == request.place.span_id
    assert spans["process remind"].parent_id == spans["schedule remind"].span_id
    assert {span.trace_id for span in spans.values()} == {request.place.trace_id}
