"""The broker user that bootstrap creates, on a RabbitMQ of this test: its permissions suffice for its
service and allow nothing else.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest
import requests
from amqp.exceptions import AccessRefused
from celery import Celery
from django.db import transaction
from testproject.handlers import NoteRequested
from testproject.models import Note

from atoll import conf
from atoll.bus import contracts as contracts_of_all
from atoll.bus import publish
from atoll.bus.broker import broker_users, subscribers, topology, transports
from atoll.bus.models import Outbox
from atoll.bus.schemas import asyncapi
from atoll.bus.worker import celery_app
from atoll.conf import Project
from atoll.testing import rabbitmq

from .conftest import Until
from .worker import CELERY, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]

OURS, THEIRS = "library-service", "other-service"
# With a dot, which is any character in a permission that is not escaped.
PREFIX = "shop."
PASSWORD = "p@ss/word"
IN_URL = "p%40ss%2Fword"


def project(name: str) -> Project:
    return Project(
        name=name, package=name, service=f"{name}-service", port=9120, database="unused", server="wsgi",
        worker=True,
    )  # fmt: skip


@pytest.fixture
def node(tmp_path: Path) -> Iterator[rabbitmq.Node]:
    if rabbitmq.program("rabbitmq-server") is None:
        if conf.flag("ATOLL_REQUIRE_RABBITMQ"):
            pytest.fail("RabbitMQ is required and not installed here")
        pytest.skip("RabbitMQ is not installed here, so nothing shows what its permissions stop")
    made = rabbitmq.prepare(tmp_path / "node", management=True)
    with rabbitmq.running(made):
        yield made


@pytest.fixture
def contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both services announce an event, and the other one receives ours."""
    made: dict[str, Any] = {"channels": {}, "operations": {}}
    for event, sender, receivers in (
        ("note.requested", OURS, [OURS]),
        ("note.written", OURS, [THEIRS]),
        ("other.happened", THEIRS, []),
    ):
        made["channels"][event] = {
            "address": event, "bindings": {"amqp": {"exchange": {"name": "events"}}}
        }  # fmt: skip
        for action, service in (("send", sender), *(("receive", receiver) for receiver in receivers)):
            made["operations"][f"{service}.{action}.{event}"] = {
                "action": action, "channel": {"$ref": f"#/channels/{event}"}, "tags": [{"name": service}]
            }  # fmt: skip
    place = tmp_path / "asyncapi.json"
    place.write_text(json.dumps(made))
    monkeypatch.setattr(subscribers, "DOCUMENT", place)


class Someone:
    """A client of the broker with a new channel for each attempt."""

    def __init__(self, node: rabbitmq.Node, user: str, password: str = PASSWORD) -> None:
        self._connection = amqp.Connection(
            f"127.0.0.1:{node.port}", userid=user, password=password, confirm_publish=True
        )
        self._connection.connect()

    def may(self, work: Callable[[Any], object]) -> bool:
        channel = self._connection.channel()
        try:
            work(channel)
        except AccessRefused:
            return False
        channel.close()
        return True

    def may_say(self, event: str, exchange: str = "events") -> bool:
        return self.may(
            lambda channel: channel.basic_publish(
                amqp.Message("{}"), exchange=PREFIX + exchange, routing_key=event
            )
        )

    def close(self) -> None:
        self._connection.close()


def test_a_service_does_its_work_with_the_user_that_bootstrap_makes_and_nothing_else(
    node: rabbitmq.Node,
    contracts: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    admin_url = f"http://guest:guest@127.0.0.1:{node.management_port}"
    monkeypatch.setenv("BUS_PREFIX", PREFIX)
    for name in ("library", "other"):
        url = f"amqp://{name}-service:{IN_URL}@127.0.0.1:{node.port}//"
        monkeypatch.setenv(f"{name.upper()}_RABBITMQ_URL", url)
        # Twice: what is there already is no obstacle.
        for _ in range(2):
            account = broker_users.account(project(name))
            assert account is not None
            broker_users.make(account, topology.of_project(project(name)), admin_url)

    # Its relay makes and binds the queues of its own and of the receiver, which has never been up.
    relaying = transports.open_prepared_publisher()
    assert relaying._bindings is not None
    assert relaying._bindings.held == {}
    relaying.close()

    # Its worker publishes, receives, sends and takes hints, and answers; with Celery's events on, too.
    # It hears itself with its senders checked.
    rules = tmp_path / "worker" / contracts_of_all.DOCUMENT
    rules.parent.mkdir(parents=True)
    rules.write_text(asyncapi.to_json(asyncapi.document([], [])))
    with running(tmp_path / "worker", (*CELERY, "-E"), BUS_CHECK_SENDERS="true") as worker:
        for number in range(3):
            with transaction.atomic():
                publish(NoteRequested(str(number)))
        until(lambda: Note.objects.count() == 3)
        until(lambda: not Outbox.objects.exclude(status="published").exists())
        asking = Celery("asking", fixups=[], set_as_current=False)
        asking.conf.update(celery_app.configuration())
        [answer] = asking.control.ping(timeout=20, limit=1)
        asking.close()
        assert list(answer.values()) == [{"ok": "pong"}]
        assert worker.terminate()[0] == 0
    said = worker.log.read_text()
    assert "ACCESS_REFUSED" not in said
    assert "hint not sent" not in said

    ours, theirs = Someone(node, OURS), Someone(node, THEIRS)
    assert (ours.may_say("note.written"), theirs.may_say("other.happened")) == (True, True)
    assert (theirs.may_say("note.written"), ours.may_say("other.happened")) == (False, False)
    assert not ours.may_say("note.written.then.some")
    assert ours.may(lambda channel: channel.basic_get(f"{PREFIX}evt.{OURS}", no_ack=True))
    for queue in (f"{PREFIX}evt.{THEIRS}", f"{PREFIX}work.{THEIRS}"):
        theirs.may(lambda channel: channel.queue_declare(queue, durable=True, auto_delete=False))  # noqa: B023
        assert not ours.may(lambda channel: channel.basic_consume(queue))  # noqa: B023
        assert not ours.may(lambda channel: channel.basic_get(queue))  # noqa: B023
        assert not ours.may(lambda channel: channel.queue_purge(queue))  # noqa: B023
    for queue in (f"{PREFIX}work.{THEIRS}", f"{PREFIX}cmd.{THEIRS}", f"shopxevt.{OURS}", "mine"):
        assert not ours.may(lambda channel: channel.queue_declare(queue))  # noqa: B023
    for exchange in (f"{PREFIX}ctl.{THEIRS}.pidbox", "events", "celery.pidbox", "celeryev"):
        assert not ours.may(lambda channel: channel.exchange_declare(exchange, "fanout"))  # noqa: B023
    for one in (ours, theirs):
        one.close()

    # Nor at the management API; and a new password counts, the old one no longer.
    users = f"http://127.0.0.1:{node.management_port}/api/users"
    assert requests.get(users, auth=(OURS, PASSWORD), timeout=10).status_code == 401
    renewed = broker_users.Account(OURS, "second", "/")
    broker_users.make(renewed, topology.of_project(project("library")), admin_url)
    Someone(node, OURS, "second").close()
    with pytest.raises(AccessRefused):
        Someone(node, OURS)
