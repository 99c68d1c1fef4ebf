"""The same bytes through our gateway, nginx and HAProxy."""

import pytest

from tests.differential import comparison, proxies
from tests.differential.__main__ import PAGE
from tests.differential.comparison import Compared
from tests.differential.reasons import reason, reasons


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[Compared]:
    if not all(proxies.program(name) for name in ("nginx", "haproxy")):
        pytest.skip("nginx and HAProxy are not installed (Debian: nginx-light, haproxy)")
    return comparison.compare(tmp_path_factory.mktemp("differential"))


def test_every_difference_has_a_reason(compared: list[Compared]) -> None:
    unexplained = [one.case.name for one in compared if not one.is_equal and reason(one.case.name) is None]
    assert unexplained == []


def test_our_gateway_forwards_nothing_that_both_others_refuse(compared: list[Compared]) -> None:
    alone = [
        one.case.name
        for one in compared
        if len(one.ours.reached) > max(len(one.nginx.reached), len(one.haproxy.reached))
    ]
    assert alone == []


def test_our_gateway_never_forwards_a_part_of_a_request(compared: list[Compared]) -> None:
    assert [one.case.name for one in compared if one.ours.begun] == []


def test_the_page_says_what_our_gateway_does(compared: list[Compared]) -> None:
    """The others' columns are of the day when the page was written: some of it depends on their timing."""
    rows = {tuple(line.split(" | ")[:2]) for line in PAGE.read_text().splitlines() if line.startswith("| ")}
    ours = {
        (f"| {why.topic}", one.ours.verdict())
        for one in compared
        if not one.is_equal and (why := reason(one.case.name)) is not None
    }
    assert rows - {("| topic", "ours"), ("| ---", "---")} == ours, "make differential writes it anew"


def test_every_reason_is_needed(compared: list[Compared]) -> None:
    used = {reason(one.case.name) for one in compared if not one.is_equal}
    assert [one.topic for one in reasons() if one not in used] == []
