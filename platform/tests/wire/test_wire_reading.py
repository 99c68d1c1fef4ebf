import json
import time
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atoll import wire

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.decimals(
    min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=2
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


@given(VALUES)
def test_what_is_written_is_read_back_exactly(value):
    assert wire.loads(wire.dumps(value)) == value


@given(st.binary(max_size=200) | st.text(alphabet='[]{}:,"\\u0dD8eE+-.19 ntf', max_size=60).map(str.encode))
@example(b'{"a": 1}')
@example(b'"\\ud800"')
@example(b"[1e400]")
def test_any_bytes_are_read_or_refused_as_wire_error_and_never_crash(raw):
    try:
        value = wire.loads(raw)
    except wire.WireError:
        return
    assert wire.loads(wire.dumps(value)) == value


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} x", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"[01]", "not JSON"),
        (b'"a\x00b"', "not JSON"),
        (b'"\\u0000"', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"a": {"b": "\\uDFFF x"}}', "surrogate"),
        (b'["\xff"]', "not UTF-8 at byte 2"),
        (b'["\xed\xa0\x80"]', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "out of range"),
        (b"[-1e309]", "out of range"),
        (b"[1.8e308]", "out of range"),
        (b"[1e-999]", "out of range"),
        (b"[1e99999999999999999999]", "out of range"),
        (b"[0." + b"1" * 100 + b"]", "more than 64 characters"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[-9223372036854775809]", "64 bits"),
        (b"[" + b"9" * 5000 + b"]", "64 bits"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' appears twice"),
        (b'[{"x": {"\\u0061": 1, "a": 2}}]', "'a' appears twice"),
    ],
)
def test_what_is_not_strict_json_or_harms_later_readers_is_refused(raw, complaint):
    with pytest.raises(wire.WireError, match=complaint):
        wire.loads(raw)


@pytest.mark.parametrize("brackets", ["[]", None])
def test_32_levels_are_read_and_33_are_not(brackets):
    def deep(depth: int) -> bytes:
        return nested(depth) if brackets else nested(depth - 1, '{"a":', "}").replace(b":}", b":{}}")

    wire.loads(deep(32))
    with pytest.raises(wire.WireError, match="deeper than 32"):
        wire.loads(deep(33))


@pytest.mark.parametrize("depth", [2_000, 20_000, 400_000])
def test_a_bottomless_body_is_refused_before_the_parser_can_recurse(depth):
    with pytest.raises(wire.WireError, match="deeper than 32") as refused:
        wire.loads(nested(depth))
    assert refused.value.code == "too_deep"


def test_a_string_that_never_ends_is_read_once_and_not_once_for_every_quote():
    body = b"[" + b"[]," * 40 + b'"' + b'\\"' * 100_000
    begun = time.process_time()
    with pytest.raises(wire.WireError, match="Unterminated string"):
        wire.loads(body)
    assert time.process_time() - begun < 2


def test_brackets_inside_text_and_many_shallow_ones_are_no_depth():
    value = {"text": "[[[[{{{{" * 20 + '"', "rows": [[index] for index in range(200)]}
    assert wire.loads(json.dumps(value).encode()) == value


def test_one_byte_more_than_allowed_is_too_large():
    body = b'"' + b"x" * 98 + b'"'
    assert len(wire.loads(body, max_bytes=100)) == 98
    with pytest.raises(wire.WireTooLarge) as refused:
        wire.loads(body + b" ", max_bytes=100)
    assert refused.value.status == 413
    assert refused.value.code == "body_too_large"


def test_numbers_keep_their_digits():
    price, count = wire.loads(b"[19.90, 9223372036854775807]")
    assert (str(price), type(price)) == ("19.90", Decimal)
    assert (count, type(count)) == (2**63 - 1, int)


def test_a_surrogate_pair_is_one_character():
    assert wire.loads(b'["\\ud83d\\ude00"]') == ["\U0001f600"]
