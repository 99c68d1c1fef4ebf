"""Every room of every service keeps the rule that docs/map.md states for it, and each rule can be broken."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.room_rules import RULES, faults

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = tomllib.loads((ROOT / "projects.toml").read_text())
SERVICES = sorted(row["package"] for row in PROJECTS.values() if row["package"].startswith("services."))
# Rooms of Django's own kinds; the table of docs/map.md has no rule for them.
DJANGOS = {"admin", "apps", "celery", "management", "managers", "migrations", "templates", "urls", "wsgi"}
LEFT_OUT = DJANGOS | {"__init__", "errors", "tests"}

BREACHES = [
    ("api/views.py", "from atoll.bus import publish", "imports atoll.bus"),
    ("api/views.py", "from services.orders import clients", "imports services.orders.clients"),
    ("api/views.py", "from atoll.client import ServiceClient", "imports atoll.client"),
    ("api/views.py", "order.save()", "line 1 writes: order.save"),
    ("api/views.py", "Order.objects.create(total=1)", "line 1 writes: Order.objects.create"),
    ("api/views.py", "Order.objects.filter(id=1)", "line 1 queries: Order.objects.filter"),
    ("usecases/place.py", "from django.http import HttpRequest", "imports django.http"),
    ("usecases/place.py", "from rest_framework.response import Response", "imports rest_framework.response"),
    ("usecases/place.py", "from celery import shared_task", "imports celery"),
    ("usecases/place.py", "from ..api import views", "imports services.orders.api"),
    ("models.py", "import requests", "imports requests"),
    ("models.py", "from atoll.client import ServiceClient", "imports atoll.client"),
    ("selectors.py", "Order.objects.update(total=1)", "line 1 writes: Order.objects.update"),
    ("selectors.py", "async def read():\n    await order.asave()", "line 2 writes: order.asave"),
    ("selectors.py", "cursor.execute('DELETE FROM orders')", "line 1 writes: cursor.execute"),
    (
        "selectors.py",
        "from services.orders.usecases.place import place",
        "imports services.orders.usecases.place",
    ),
    ("handlers.py", "from services.orders.models import Order", "imports services.orders.models"),
    ("handlers.py", "from services.orders import models", "imports services.orders.models"),
    ("handlers.py", "from django.db import connection", "imports django.db"),
    ("clients.py", "from services.orders.models import Order", "imports services.orders.models"),
    ("events.py", "from services.orders.models import Order", "imports services.orders.models"),
    ("events.py", "class OrderCreated:\n    pass", "line 1 is no dataclass"),
    ("events.py", "def total(event): ...", "line 1 is no dataclass"),
    ("search.py", "from services.orders.api import views", "imports services.orders.api"),
    ("provider/sandbox.py", "import kombu", "imports kombu"),
    ("settings.py", "from services.orders.models import Order", "imports services.orders.models"),
]


@pytest.mark.parametrize("service", SERVICES)
def test_every_room_keeps_its_rule(service: str) -> None:
    folder = ROOT / service.replace(".", "/")
    found = [
        f"{path.relative_to(ROOT)} {fault}"
        for path in folder.rglob("*.py")
        if (module := path.relative_to(folder)).parts[0].removesuffix(".py") not in LEFT_OUT
        for fault in faults(service, module, path.read_text())
    ]
    assert not found, "docs/map.md says where these lines belong:\n" + "\n".join(found)


@pytest.mark.parametrize(("module", "source", "fault"), BREACHES)
def test_a_breach_is_found(module: str, source: str, fault: str) -> None:
    assert fault in list(faults("services.orders", Path(module), source))


def test_each_rule_is_shown_to_be_breakable() -> None:
    assert {Path(module).parts[0] for module, _, _ in BREACHES} - RULES.keys() == {"search.py", "provider"}
    assert RULES.keys() - {Path(module).parts[0] for module, _, _ in BREACHES} == {""}


def test_the_table_of_the_map_and_the_rules_name_the_same_rooms() -> None:
    section = (ROOT / "docs" / "map.md").read_text().split("## Inside a service")[1].split("\n## ")[0]
    rows = re.findall(r"^\|[^|]*\| (.*?) \|", section, re.MULTILINE)[2:]
    named = [re.match(r"`(\w+(?:\.py)?)/?`", row) for row in rows]
    assert {name[1] if name else "" for name in named} == set(RULES)
