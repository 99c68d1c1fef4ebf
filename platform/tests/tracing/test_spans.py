"""Spans of a process, through Atoll's functions and through OpenTelemetry's API."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace

from atoll import context, tracing
from atoll.logs import JSONLines
from atoll.tracing import Record, TraceContext, process, spans
from atoll.tracing.recorder import Recorder

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FAR = TraceContext(TRACE, SPAN, sampled=True)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    mine = Recorder()
    former = process.use(mine)
    yield mine
    process.use(former)


def taken(recorder: Recorder) -> dict[str, Record]:
    return {span.name: span for span in recorder.take(100)}


def test_a_span_continues_the_trace_of_its_caller_and_its_children_continue_it(recorder: Recorder):
    with tracing.span("outer", "server", parent=FAR) as outer, tracing.span("inner", "client") as inner:
        assert tracing.current_header() == inner.place.header()
    found = taken(recorder)
    assert found["outer"].trace_id == found["inner"].trace_id == TRACE
    assert found["outer"].parent_id == SPAN
    assert found["inner"].parent_id == outer.place.span_id
    assert tracing.current_header() == ""


def test_without_a_caller_the_correlation_id_names_the_trace(recorder: Recorder):
    identifier = context.new_correlation_id()
    with context.work(correlation_id=identifier), tracing.span("alone"):
        pass
    found = taken(recorder)["alone"]
    assert found.trace_id == identifier.replace("-", "")
    assert (found.parent_id, found.correlation_id) == ("", identifier)


def test_an_exception_is_the_error_of_the_span_and_goes_on(recorder: Recorder):
    with pytest.raises(KeyError), tracing.span("broken", parent=FAR):
        raise KeyError("price")
    assert taken(recorder)["broken"].error == "KeyError: 'price'"


def test_a_harmless_exception_is_no_error(recorder: Recorder):
    with pytest.raises(KeyError), tracing.span("fine", parent=FAR, harmless=(LookupError,)):
        raise KeyError("price")
    assert taken(recorder)["fine"].error == ""


def test_code_for_opentelemetry_is_part_of_the_trace(recorder: Recorder):
    tracer = spans.Provider(recorder).get_tracer("shop")
    with tracing.span("outer", parent=FAR) as outer, tracer.start_as_current_span("theirs") as theirs:
        theirs.set_attribute("shop.items", 3)
        assert trace.get_current_span() is theirs
        with tracing.span("below"):
            pass
    found = taken(recorder)
    assert found["theirs"].parent_id == outer.place.span_id
    assert found["theirs"].attributes == {"shop.items": 3}
    assert found["below"].parent_id == found["theirs"].span_id


def test_errors_told_through_opentelemetry_are_errors(recorder: Recorder):
    tracer = spans.Provider(recorder).get_tracer("shop")
    with tracing.span("outer", parent=FAR), pytest.raises(ValueError), tracer.start_as_current_span("a"):
        raise ValueError("no stock")
    with tracing.span("outer", parent=FAR), tracer.start_as_current_span("b") as second:
        second.set_status(trace.Status(trace.StatusCode.ERROR, "too late"))
    found = taken(recorder)
    assert "no stock" in found["a"].error
    assert found["b"].error == "too late"


def test_a_span_is_bounded(recorder: Recorder):
    with tracing.span("n" * 5000, parent=FAR) as wide:
        for number in range(1000):
            wide.set_attribute(f"key.{number}", "v" * 5000)
        wide.fail("e" * 5000)
    (found,) = recorder.take(10)
    assert len(found.attributes) == spans.MAX_ATTRIBUTES
    assert max(len(value) for value in found.attributes.values()) == spans.MAX_TEXT
    assert (len(found.name), len(found.error)) == (spans.MAX_NAME, spans.MAX_TEXT)


def test_spans_of_a_transaction_wait_for_its_end(recorder: Recorder):
    held = tracing.Held()
    with tracing.span("kept", parent=FAR, held=held):
        pass
    assert not taken(recorder)
    held.release()
    with tracing.span("undone", parent=FAR, held=held):
        pass
    held.release(undone=True)
    found = taken(recorder)
    assert "atoll.undone" not in found["kept"].attributes
    assert found["undone"].attributes["atoll.undone"] is True


def test_a_process_that_records_nothing_passes_the_trace_on():
    former = process.use(None)
    try:
        with tracing.span("unrecorded", parent=FAR) as span:
            span.fail("nobody hears it")
            assert tracing.current_header() == FAR.header()
    finally:
        process.use(former)


def test_log_lines_carry_the_ids_of_the_span(recorder: Recorder):
    lines = JSONLines({"service": "library-service"})
    record = logging.makeLogRecord({"name": "shop", "msg": "hello", "levelname": "INFO"})
    with tracing.span("outer", parent=FAR) as outer:
        line = lines.format(record)
    assert f'"trace_id": "{TRACE}", "span_id": "{outer.place.span_id}"' in line
    assert "trace_id" not in lines.format(record)
