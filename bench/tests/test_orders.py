"""How figures of several rounds become one."""

from pathlib import Path
from typing import Any

import pytest

from bench.orders.__main__ import WITHOUT, arguments, combined, ratios, variants


def figures(cpu_ms: float, lost: int = 0, publishes: float | None = 12.0) -> dict[str, Any]:
    return {
        "confirmed_per_s": 10.0, "cpu_ms_per_order": cpu_ms, "statements_per_order": 100.0,
        "commits_per_order": 30.0, "wal_kb_per_order": 50.0, "publishes_per_order": publishes,
        "p50_ms": 20.0, "p99_ms": 40.0, "lost": lost, "doubled": 0, "accepted": 100, "refused": 0,
        "cpu_ms_by_process": {"orders": cpu_ms},
    }  # fmt: skip


MEASURED = [
    ("rabbitmq", "ours", figures(30.0, lost=1)),
    ("rabbitmq", "against", figures(100.0)),
    ("rabbitmq", "ours", figures(50.0, lost=2)),
    ("rabbitmq", "against", figures(100.0)),
]


def test_rounds_become_medians_and_lost_orders_a_sum():
    found = combined(MEASURED, "ours")["rabbitmq"]
    assert found["cpu_ms_per_order"] == 40.0
    assert found["cpu_ms_by_process"] == {"orders": 40.0}
    assert (found["lost"], found["accepted"]) == (3, 200)


def test_ratios_are_ours_divided_by_theirs():
    found = ratios(combined(MEASURED, "ours"), combined(MEASURED, "against"))["rabbitmq"]
    assert found["cpu_ms_per_order"] == 0.4
    assert found["confirmed_per_s"] == 1.0


def test_a_figure_that_one_of_them_lacks_has_no_ratio():
    measured = [("embedded", "ours", figures(30.0, publishes=None)), ("embedded", "against", figures(60.0))]
    assert (
        "publishes_per_order"
        not in ratios(combined(measured, "ours"), combined(measured, "against"))["embedded"]
    )


@pytest.mark.parametrize(
    ("traces", "measured"),
    [
        ("on", [("ours", "on"), ("against", "on")]),
        ("off", [("ours", "off"), ("against", "off")]),
        ("compare", [("ours", "on"), ("against", "on"), (WITHOUT, "off")]),
    ],
)
def test_a_round_measures_each_variant_once(traces: str, measured: list[tuple[str, str]]):
    roots = {"ours": Path("a"), "against": Path("b")}
    assert [(name, recorded) for name, _, recorded in variants(roots, traces)] == measured


def test_a_comparison_has_several_rounds_unless_it_is_to_be_quick():
    assert arguments([]).rounds == 1
    assert arguments(["--traces", "compare"]).rounds == arguments(["--against", "x"]).rounds > 1
    assert arguments(["--traces", "compare", "--quick"]).rounds == 1
    assert arguments(["--traces", "compare", "--rounds", "5"]).rounds == 5
