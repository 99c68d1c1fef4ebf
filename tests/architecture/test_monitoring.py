"""The dashboard and the alerts in deploy/: files that can be read, about metrics that the code exposes."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import atoll.bus.delivery.run_metrics
import atoll.bus.inbox.arrivals
import atoll.client.metrics
import atoll.metrics
from atoll import conf
from atoll.bus.operations.metrics import GAUGES
from gateway.edge import metrics as edge
from registry.http.metrics import InstanceCollector

ROOT = conf.root()
DASHBOARD = ROOT / "deploy" / "grafana" / "atoll.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
ALERT_TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
NAME = re.compile(r"\b((?:http|needs|bus|gateway|client|registry)_[a-z0-9_]+)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([a-z_, ]*)\)")
SELECTED = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
# Prometheus adds these to every series that it scrapes, and histograms have `le`.
ADDED = {"job", "instance", "le"}
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool (Debian: prometheus)")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules())


@cache
def exposed() -> dict[str, frozenset[str]]:
    """Every sample that a process of the platform exposes, with the names of its labels."""
    found = {"bus_ledger_readable": frozenset[str]()} | {f"bus_{name}": frozenset() for name, _, _ in GAUGES}
    for collector, names in REGISTRY._collector_to_names.items():
        found |= dict.fromkeys(names, frozenset(getattr(collector, "_labelnames", ())))
    atoll.metrics.register_attention("order", lambda: 1)
    instances = CollectorRegistry()
    instances.register(InstanceCollector(lambda: [("order-service", Counter(healthy=1))]))
    gauges = generate_latest(atoll.metrics.SERVICE) + generate_latest(instances) + edge.render(_edge_state())
    for family in text_string_to_metric_families(gauges.decode()):
        found |= {sample.name: frozenset(sample.labels) for sample in family.samples}
    return found


def _edge_state() -> dict[str, Any]:
    """Figures of an edge of the gateway with one of each kind."""

    def instance(labels: Any) -> dict[str, float]:
        return {edge.SEPARATOR.join(labels): 1}

    return {
        "requests": {"orders 200": 1},
        "retries": {"orders": 1},
        "times": {"orders": [0.0] * (len(edge.BUCKETS_S) + 2)},
        "services": {name: {"order-service": 1} for name in edge.PER_SERVICE},
        "service_counts": {name: {"order-service": 1} for name in edge.COUNTED_PER_SERVICE},
        "instances": {name: instance(labels) for name, (_, labels) in edge.PER_INSTANCE.items()},
        "instance_counts": {name: instance(("a", "b")) for name in edge.COUNTED_PER_INSTANCE},
    }


def faults(expression: str) -> set[str]:
    """The metrics of an expression that no process exposes, and the labels that its metrics lack."""
    known = exposed()
    metrics = NAME.findall(expression)
    found = {name for name, _ in metrics if name not in known}
    grouped = {label.strip() for labels in GROUPED.findall(expression) for label in labels.split(",")}
    for name, selector in metrics:
        wanted = grouped | set(SELECTED.findall(selector))
        found |= {f"{name}: {label}" for label in wanted - known.get(name, wanted) - ADDED}
    return found


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_metric_and_label_of_dashboard_and_alerts_is_exposed(expression: str) -> None:
    assert NAME.search(expression)
    assert faults(expression) == set()


def test_a_metric_or_label_that_nobody_exposes_is_found() -> None:
    assert faults("rate(gateway_requests_totl[5m])") == {"gateway_requests_totl"}
    assert faults("bus_deliveries_dead_total > 0") == {"bus_deliveries_dead_total"}
    assert faults("sum by (hander) (bus_handler_seconds_count)") == {"bus_handler_seconds_count: hander"}
    assert faults('client_call_seconds_count{outcom="failed"}') == {"client_call_seconds_count: outcom"}
    assert faults('sum by (route) (rate(gateway_requests_total{status=~"5.."}[5m]))') == set()


def test_handlers_calls_and_breakers_have_their_metrics() -> None:
    known = exposed()
    assert known["bus_handler_seconds_bucket"] == {"handler", "name", "outcome"}
    assert known["bus_handler_retries_total"] == {"handler", "name"}
    assert known["client_call_seconds_bucket"] == {"peer", "outcome"}
    for name in ("retries_total", "stopped_total", "breaker_opened_total", "breakers_open"):
        assert known[f"client_{name}"] == {"peer"}


def test_each_panel_and_alert_has_a_title_and_stands_once() -> None:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    assert all(rule["annotations"]["summary"].endswith(".") for rule in rules())


def test_no_panel_covers_another() -> None:
    covered: Counter[tuple[int, int]] = Counter()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        covered.update(
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        )
    assert max(covered.values()) == 1


def test_every_alert_is_shown_to_fire_and_to_wait() -> None:
    told: dict[bool, set[str]] = {True: set(), False: set()}
    for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"]:
        for case in test["alert_rule_test"]:
            told[bool(case["exp_alerts"])].add(case["alertname"])
    assert told[True] == told[False] == {rule["alert"] for rule in rules()}


def run(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@promtool
def test_prometheus_takes_the_alerts_and_they_fire_when_they_should() -> None:
    for command in (("check", "rules", ALERTS.name), ("test", "rules", ALERT_TESTS.name)):
        checked = run("promtool", *command, folder=ALERTS.parent)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@promtool
def test_prometheus_takes_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    recorded = [
        {"record": f"panel_{panel['id']}_{target['refId']}".lower(), "expr": target["expr"]}
        for panel in panels
        for target in panel["targets"]
    ]
    # Grafana puts a duration in the place of its variable.
    text = yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}).replace(
        "$__rate_interval", "1m"
    )
    (tmp_path / "panels.yml").write_text(text)
    checked = run("promtool", "check", "rules", "panels.yml", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
