"""What each handler consumes is what some service publishes, field by field."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from atoll import conf

DESCRIBE = Path(__file__).with_name("describe.py")
WITH_MESSAGES = [name for name, project in conf.projects().items() if project.worker]


@cache
def described(project: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(DESCRIBE), project],
        capture_output=True,
        text=True,
        cwd=conf.root(),
        env=dict(os.environ) | {"PYTHONPATH": f"{conf.root()}:{conf.root() / 'platform'}"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def published() -> dict[str, dict[str, Any]]:
    return {
        name: shape for project in WITH_MESSAGES for name, shape in described(project)["publishes"].items()
    }


def sent() -> dict[str, dict[str, Any]]:
    return {name: shape for project in WITH_MESSAGES for name, shape in described(project)["sends"].items()}


def gaps(consumed: Any, offered: Any, where: str) -> list[str]:
    """The fields the consumer requires and the producer does not give, or gives with another type."""
    if isinstance(consumed, list):
        return (
            gaps(consumed[0], offered[0], f"{where}[]")
            if isinstance(offered, list)
            else [f"{where}: no list"]
        )
    if isinstance(consumed, dict):
        if not isinstance(offered, dict):
            return [f"{where}: no object"]
        given = {name.rstrip("?"): (name.endswith("?"), shape) for name, shape in offered.items()}
        found: list[str] = []
        for name, shape in consumed.items():
            plain, may_miss = name.rstrip("?"), name.endswith("?")
            if plain in given:
                found += gaps(shape, given[plain][1], f"{where}.{plain}")
            elif not may_miss and plain != "timestamp":
                found.append(f"{where}.{plain}: never sent")
        return found
    alike = consumed == offered or "any" in (consumed, offered) or {consumed, offered} == {"uuid", "string"}
    alike = alike or (consumed == "number" and offered == "integer")
    return [] if alike else [f"{where}: wants {consumed}, gets {offered}"]


@pytest.mark.parametrize("project", WITH_MESSAGES)
def test_every_event_a_project_handles_is_published_with_the_fields_it_needs(project: str):
    for handler in described(project)["handles"]:
        if handler["kind"] == "event":
            assert handler["name"] in published(), f"nobody publishes {handler['name']}"
            assert gaps(handler["shape"], published()[handler["name"]], handler["name"]) == []


@pytest.mark.parametrize("project", WITH_MESSAGES)
def test_every_command_a_project_sends_is_handled_by_the_service_it_names(project: str):
    for address, shape in described(project)["sends"].items():
        service, command = address.split("/")
        receiver = described(conf.project_of_service(service).name)
        handlers = [h for h in receiver["handles"] if h["kind"] == "command" and h["name"] == command]
        assert len(handlers) == 1, f"{service} has {len(handlers)} handlers for {command}"
        assert gaps(handlers[0]["shape"], shape, command) == []


@pytest.mark.parametrize("project", WITH_MESSAGES)
def test_every_command_a_project_handles_is_sent_by_somebody(project: str):
    service = described(project)["service"]
    for handler in described(project)["handles"]:
        if handler["kind"] == "command":
            assert f"{service}/{handler['name']}" in sent(), f"nobody sends {handler['name']} to {service}"


def test_the_events_of_the_contract_are_published():
    assert set(published()) >= {
        "user.created", "user.updated", "user.deleted",
        "order.created", "order.confirmed", "order.cancelled",
        "stock.reserved", "stock.rejected",
        "product.created", "product.updated", "product.deleted",
        "payment.completed", "payment.failed", "payment.refunded",
    }  # fmt: skip


def test_a_missing_and_a_mistyped_field_are_found():
    offered = {"orderId": "uuid", "items": [{"productId": "uuid", "quantity": "integer"}]}
    assert gaps({"orderId": "uuid", "note?": "string"}, offered, "e") == []
    assert gaps({"total": "number"}, offered, "e") == ["e.total: never sent"]
    assert gaps({"items": [{"quantity": "string"}]}, offered, "e") == [
        "e.items[].quantity: wants string, gets integer"
    ]
