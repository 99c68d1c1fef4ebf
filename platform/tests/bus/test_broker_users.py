"""Broker users over RabbitMQ's management API, replaced by a small server.

test_broker_users_node.py uses a real RabbitMQ.
"""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll import conf
from atoll.bus.broker import broker_users, permissions, subscribers, topology
from atoll.bus.broker.broker_users import Account, BrokerUserError
from atoll.bus.broker.permissions import matches
from atoll.bus.broker.topology import Topology
from atoll.cli import bootstrap
from atoll.dev import ports, setup

from .management_api import ADMIN, Server

PASSWORD = "s3cret-of-orders"
ORDERS = Account("order-service", PASSWORD, "/")
NAMES = Topology("order-service")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(autouse=True)
def _of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUS_PREFIX", "RABBITMQ_ADMIN_URL", "ORDERS_RABBITMQ_URL"):
        monkeypatch.delenv(name, raising=False)


class Patience:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def options(self) -> dict[str, Any]:
        return {"clock": lambda: self.now, "sleep": self._sleep}

    def _sleep(self, seconds: float) -> None:
        self.now += seconds


def may(pattern: str, *names: str) -> list[bool]:
    return [matches(pattern, name) for name in names]


def test_a_service_may_use_its_own_and_bind_its_receivers_and_nothing_else() -> None:
    allowed = permissions.of(NAMES)
    own = ["evt.order-service", "cmd.order-service", "work.order-service", "events", "commands",
           "ctl.order-service.pidbox", "reply.ctl.order-service.pidbox",
           "orders@host.example.ctl.order-service.pidbox", "ctl.order-service.celeryev"]  # fmt: skip
    # By docs/asyncapi.json it commands these, and nobody receives its events.
    theirs = ["cmd.payment-service", "cmd.product-service"]
    never = ["evt.payment-service", "evt.product-service", "cmd.user-service", "work.payment-service",
             "evtxorder-service", "evt.order-service2", "an.evt.order-service", "ctl.user-service.pidbox",
             "celery.pidbox", "celeryev", "amq.topic", ""]  # fmt: skip
    for pattern in (allowed.configure, allowed.write):
        assert may(pattern, *own, *theirs) == [True] * len(own + theirs)
        assert may(pattern, *never) == [False] * len(never)
    assert may(allowed.read, *own) == [True] * len(own)
    assert may(allowed.read, *theirs, *never) == [False] * len(theirs + never)
    default = [may(pattern, "amq.default") for pattern in (allowed.configure, allowed.write, allowed.read)]
    assert default == [[False], [True], [False]]


def test_every_name_of_the_topology_is_within_the_permissions_of_its_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUS_PREFIX", "a+b.")
    for project in conf.projects().values():
        names = topology.of_project(project)
        allowed = permissions.of(names)
        for name in (names.events, names.commands, names.event_queue, names.command_queue, names.work_queue):
            assert name.name.startswith("a+b.")
            assert may(allowed.configure, name.name) == [True]
            assert may(allowed.configure, name.name.removeprefix("a+b."), name.name[1:]) == [False, False]


def test_it_may_publish_what_it_announces_and_what_an_earlier_version_did() -> None:
    announced = permissions.topic(NAMES, "")
    assert may(announced, "order.created", "order.refunded", "payment.completed", "order.created.x", "") == [
        True, True, False, False, False
    ]  # fmt: skip
    both = permissions.topic(NAMES, r"^(order\.archived|order\.created)$")
    assert may(both, "order.archived", "order.created", "order.confirmed", "orderxarchived") == [
        True, True, True, False
    ]  # fmt: skip
    # A pattern by hand, such as RabbitMQ's own default, is replaced.
    assert permissions.topic(NAMES, ".*") == announced


def test_a_service_that_announces_nothing_may_publish_no_event_and_one_without_a_document_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = permissions.topic(Topology("mail-service"), "")
    assert may(silent, "order.created", "x") == [False, False]
    monkeypatch.setattr(subscribers, "DOCUMENT", tmp_path / "none.json")
    assert may(permissions.topic(NAMES, ""), "order.created") == [True]


def test_the_user_is_made_without_tags_and_making_it_again_changes_the_password_alone(server: Server) -> None:
    broker_users.make(ORDERS, NAMES, server.url())
    first = dict(server.kept)
    allowed = permissions.of(NAMES)
    assert first == {
        ("users", "order-service"): {"password": PASSWORD, "tags": ""},
        ("permissions", "/", "order-service"): {
            "configure": allowed.configure, "write": allowed.write, "read": allowed.read
        },
        ("topic-permissions", "/", "order-service"): {
            "exchange": "events", "write": permissions.topic(NAMES, ""), "read": ".*"
        },
    }  # fmt: skip
    # At no moment may it publish more than it should.
    puts = [asked.split()[1] for asked in server.asked if asked.startswith("PUT")]
    assert puts == ["users", "topic-permissions", "permissions"]
    broker_users.make(Account("order-service", "second", "/"), NAMES, server.url())
    assert server.kept == first | {("users", "order-service"): {"password": "second", "tags": ""}}


def test_what_an_earlier_version_announced_stays_allowed(server: Server) -> None:
    broker_users.make(ORDERS, NAMES, server.url())
    key = ("topic-permissions", "/", "order-service")
    server.kept[key]["write"] = r"^(order\.archived)$"
    broker_users.make(ORDERS, NAMES, server.url())
    assert may(server.kept[key]["write"], "order.archived", "order.created") == [True, True]


def test_a_broker_that_is_only_starting_is_waited_for(server: Server) -> None:
    server.failures = [503, 500, 503]
    patience = Patience()
    broker_users.make(ORDERS, NAMES, server.url(), **patience.options())
    assert patience.now == 3 * broker_users.PAUSE_S
    assert ("permissions", "/", "order-service") in server.kept


def test_a_broker_that_never_comes_is_told_in_one_line_after_a_minute() -> None:
    patience = Patience()
    port = ports.free()
    with pytest.raises(BrokerUserError) as raised:
        broker_users.make(ORDERS, NAMES, f"http://admin:{ADMIN}@127.0.0.1:{port}", **patience.options())
    assert patience.now == broker_users.PATIENCE_S + broker_users.PAUSE_S
    assert str(raised.value) == (
        f"RABBITMQ_ADMIN_URL cannot make the broker user 'order-service': 127.0.0.1:{port} does not answer "
        "(ConnectionError). Is it RabbitMQ with the plugin rabbitmq_management?"
    )


@pytest.mark.parametrize(
    ("account", "names", "url", "told"),
    [
        (ORDERS, NAMES, "wrong", "does not let it in (401): it must be an administrator's."),
        (Account("order-service", PASSWORD, "shop"), NAMES, ADMIN, "there is no virtual host 'shop'."),
        (ORDERS, Topology("order-service", "b."), ADMIN, "be another platform's. Delete it if it is not."),
    ],
    ids=["not let in", "no virtual host", "another platform"],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_once_and_nothing_is_changed(
    server: Server, account: Account, names: Topology, url: str, told: str
) -> None:
    broker_users.make(Account("order-service", "first", "/"), NAMES, server.url())
    before = dict(server.kept)
    patience = Patience()
    with pytest.raises(BrokerUserError) as raised:
        broker_users.make(account, names, server.url(url), **patience.options())
    said = str(raised.value)
    assert said.endswith(told)
    assert (PASSWORD in said, ADMIN in said, "\n" in said, patience.now) == (False, False, False, 0)
    assert server.kept == before


@pytest.mark.parametrize(
    "url",
    [
        "amqp://guest:guest@h:5672//",
        "amqp://payment-service:s3cret@h//",
        "amqp://order-service@h//",
        "amqp://h//",
        "redis://order-service:s3cret@h/0",
    ],
)
def test_bootstrap_makes_no_user_that_is_not_called_as_the_service_is(
    url: str, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "run", lambda *_, **__: pytest.fail("it went on"))
    monkeypatch.setenv("RABBITMQ_ADMIN_URL", server.url())
    monkeypatch.setenv("ORDERS_RABBITMQ_URL", url)
    monkeypatch.delenv("DATABASE_ADMIN_URL", raising=False)
    assert bootstrap.main(["orders"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("orders is not set up: ORDERS_RABBITMQ_URL ")
    assert (said.count("\n"), "order-service" in said, "s3cret" in said) == (1, True, False)
    assert server.asked == []


def test_bootstrap_makes_the_user_of_the_projects_own_url(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    was_set_up: list[str] = []
    monkeypatch.setattr(setup, "run", lambda project, **_: was_set_up.append(project.name))
    monkeypatch.setattr("atoll.postgresql.budget.server_shortage", lambda *_: "")
    monkeypatch.delenv("DATABASE_ADMIN_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1")
    monkeypatch.setenv("RABBITMQ_ADMIN_URL", server.url())
    monkeypatch.setenv("RABBITMQ_URL", f"amqp://shared:{PASSWORD}@127.0.0.1:1//")
    # Neither a project without a URL of its own, nor one without a worker, has a broker user.
    assert [bootstrap.main([name]) for name in ("orders", "gateway")] == [0, 0]
    assert server.asked == []
    assert "orders has no broker user of its own: ORDERS_RABBITMQ_URL is not set." in capsys.readouterr().out
    monkeypatch.setenv("ORDERS_RABBITMQ_URL", "amqp://order-service:p%40ss%2F@127.0.0.1:1//")
    assert bootstrap.main(["orders"]) == 0
    assert server.kept["users", "order-service"] == {"password": "p@ss/", "tags": ""}
    assert was_set_up == ["orders", "gateway", "orders"]
    said = "".join(capsys.readouterr())
    assert "The broker user order-service and its permissions are up to date." in said
    assert "p@ss" not in said


def test_the_commands_by_hand_give_what_bootstrap_gives() -> None:
    text = (conf.root() / "docs" / "messages.md").read_text()
    [script] = re.findall(r"```sh\n(API=.*?)```", text, re.DOTALL)
    # In place of curl: the address, and what would be sent.
    printing = "curl() { printf '%s\\n' \"$6\" \"$8\" | tr '\\n' ' '; echo; }\n"
    done = subprocess.run(["sh", "-ec", printing + script], capture_output=True, text=True, check=True)
    _, topics, held = (json.loads(line.split(" ", 1)[1]) for line in done.stdout.splitlines())
    allowed = permissions.of(NAMES)
    names = ["evt.order-service", "cmd.order-service", "work.order-service", "events", "commands",
             "ctl.order-service.pidbox", "a@b.c.ctl.order-service.pidbox", "ctl.order-service.celeryev",
             "ctl.order-service.celeryev.x", "cmd.payment-service", "cmd.product-service", "amq.default",
             "evt.payment-service", "evtxorder-service", "work.payment-service", "cmd.user-service",
             "x.events", "eventsx", "celery.pidbox", "x.evt.order-service"]  # fmt: skip
    for kind in ("configure", "write", "read"):
        assert may(held[kind], *names) == may(getattr(allowed, kind), *names)
    keys = [
        "order.created",
        "order.cancelled",
        "order.confirmed",
        "order.refunded",
        "order.x",
        "orderxcreated",
    ]
    assert may(topics["write"], *keys) == may(permissions.topic(NAMES, ""), *keys)
    assert (topics["exchange"], topics["read"]) == ("events", ".*")
