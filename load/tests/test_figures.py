import pytest

from load.figures import MOST_KINDS, MOST_SLICES, OTHER, Durations, Figures


def test_a_percentile_is_at_most_one_percent_above_the_duration():
    durations = Durations()
    for milliseconds in range(1, 1001):
        durations.add(milliseconds / 1000)
    assert durations.percentile_ms(0.5) == pytest.approx(500, rel=0.011)
    assert durations.percentile_ms(0.99) == pytest.approx(990, rel=0.011)
    assert durations.percentile_ms(1.0) >= 1000


def test_without_durations_there_is_no_percentile():
    assert Durations().percentile_ms(0.5) is None


def test_a_longer_run_gets_longer_spans_and_loses_no_order():
    figures = Figures()
    for second in range(MOST_SLICES * 5):
        figures.accepted(second, 0.01)
        figures.final(second, 0.05, "confirmed")
    assert len(figures.slices) <= MOST_SLICES
    assert figures.width_s == 8
    assert {part.accepted for part in figures.slices[:-1]} == {8}
    assert figures.total().accepted == figures.total().final == MOST_SLICES * 5


def test_an_order_counts_at_the_time_at_which_it_was_due():
    figures = Figures()
    figures.accepted(0.9, 5.0)
    figures.failed(2.1, "500")
    assert [(part.accepted, part.failed) for part in figures.slices] == [(1, 0), (0, 0), (0, 1)]


def test_the_last_seconds_leave_older_orders_out():
    figures = Figures()
    for second in range(30):
        figures.accepted(second, 1.0 if second < 20 else 0.01)
    recent = figures.last(10).answers
    assert recent.count == 10
    assert recent.percentile_ms(1.0) == pytest.approx(10, rel=0.011)


def test_kinds_of_errors_are_bounded():
    figures = Figures()
    for number in range(MOST_KINDS + 5):
        figures.failed(0, f"kind {number}")
    assert figures.errors[OTHER] == 5
    assert sum(figures.errors.values()) == MOST_KINDS + 5
