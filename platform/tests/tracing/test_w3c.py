"""The header ``traceparent``: what is read, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.tracing import TraceContext, parse, span_of, trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_header_is_read_and_written_alike():
    place = TraceContext(TRACE, SPAN, sampled=True)
    assert place.header() == f"00-{TRACE}-{SPAN}-01"
    assert parse(place.header()) == place
    assert parse(f"00-{TRACE}-{SPAN}-00") == place._replace(sampled=False)


def test_a_later_version_is_read_as_far_as_it_is_known():
    assert parse(f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be") == TraceContext(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
        f"0٠-{TRACE}-{SPAN}-01",
    ],
)
def test_anything_else_is_no_trace(value: str | None):
    assert parse(value) is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(value: str):
    place = parse(value)
    assert place is None or parse(place.header()) == place


def test_the_trace_of_new_work_is_its_correlation_id():
    assert trace_of("01a22399-1cbd-76d4-ba0f-a320b066afcb") == "01a223991cbd76d4ba0fa320b066afcb"
    assert len(trace_of("customer-support-42")) == 32
    assert trace_of("0" * 32) != "0" * 32


def test_every_identifier_gives_a_span_id_that_is_read():
    for identifier in ("01a22399-1cbd-76d4-ba0f-a31f44f8b6dd", "7", "x" * 255, "0" * 32):
        assert parse(f"00-{TRACE}-{span_of(identifier)}-01")
