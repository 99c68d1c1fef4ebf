"""The dashboard and the alerts in deploy/: files that can be read, about metrics that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from atoll import conf

ROOT = conf.root()
DASHBOARD = ROOT / "deploy" / "grafana" / "atoll.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
OURS = re.compile(r"\b(?:http|needs|bus|gateway|client|registry)_[a-z0-9_]+\b")
SUFFIXES = ("_total", "_bucket", "_count", "_sum", "")


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def defined() -> set[str]:
    """The names of metrics in the code that makes them."""
    texts = [
        path.read_text()
        for folder in ("platform/atoll", "gateway", "registry")
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.parts
    ]
    names = {
        name
        for text in texts
        for name in re.findall(r'"((?:http|needs|gateway|client|registry|bus)_[a-z_]+)"', text)
    }
    gauges = (ROOT / "platform/atoll/bus/operations/metrics.py").read_text()
    return names | {f"bus_{name}" for name in re.findall(r'^\s+\(?"([a-z_]+)",', gauges, re.MULTILINE)}


def missing(expression: str, known: set[str]) -> set[str]:
    return {
        name
        for name in OURS.findall(expression)
        if not any(name.removesuffix(suffix) in known for suffix in SUFFIXES)
    }


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_of_dashboard_and_alerts_exists(expression: str) -> None:
    assert OURS.search(expression)
    assert missing(expression, defined()) == set()


def test_a_metric_that_nobody_makes_is_found() -> None:
    assert missing("rate(gateway_requests_totl[5m])", defined()) == {"gateway_requests_totl"}
    assert missing("bus_deliveries_ded > 0", defined()) == {"bus_deliveries_ded"}


def test_each_panel_and_alert_has_a_title_and_stands_once() -> None:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(rule["annotations"]["summary"].endswith(".") for rule in rules)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")
def test_prometheus_takes_the_alerts() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
