"""Bodies on the pages of the ledger: JSON over several lines, everything else as it arrived."""

import pytest

from atoll.bus.admin.indented import indented
from atoll.bus.admin.large_bodies import MAX_INDENTED, MAX_SHOWN, _readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":1,"b":[true,null]}', '{\n  "a": 1,\n  "b": [\n    true,\n    null\n  ]\n}'),
        # As they are written: a price of 1.10 is not 1.1, and a long number keeps its digits.
        ('{"price":1.10,"n":12345678901234567890.00e-2}', None),
        ('{"name":"Zo\\u00eb"}', '{\n  "name": "Zoë"\n}'),
        ("[]", "[]"),
    ],
)
def test_json_gets_line_breaks_and_keeps_its_content(text, shown):
    found = indented(text)
    assert found is not None
    if shown is None:
        assert '"price": 1.10,' in found
        assert "12345678901234567890.00e-2" in found
    else:
        assert found == shown


@pytest.mark.parametrize(
    "text",
    ["", "{", "{'a': 1}", '{"a":1,"a":2}', '"\\u0000"', '{"a":"\\ud800"}', "[" * 100_000, "\\x00\\xff"],
)
def test_a_body_that_would_change_is_shown_as_it_arrived(text):
    assert indented(text) is None
    assert _readable(text, len(text)) == text[:MAX_SHOWN]


def test_a_long_body_is_cut():
    body = '{"a":"' + "x" * MAX_INDENTED + '"}'
    assert _readable(body[:MAX_INDENTED], len(body)) == body[:MAX_SHOWN]
