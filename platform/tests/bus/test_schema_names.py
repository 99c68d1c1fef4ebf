"""Undefined message names are refused: in the document, in the checks, at a start, when sending."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll.bus import Message, checks, contracts, handles, on, publish, schedule, send, upcast, upcasting
from atoll.bus.models import Outbox
from atoll.bus.schemas import asyncapi, known_names
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.errors import Misuse
from atoll.testing.bus import Bus

from .worker import PROJECTS, WORKER, Process

SERVICES = {"a-service", "b-service"}
CONFIRMED = Definition(kind="event", name="order.confirmed", version=1, schema={}, service="a-service")
RESERVE = Definition(
    kind="command", name="reserve.stock", version=1, schema={}, service="a-service", to="b-service"
)


def told(*announces: Definition, **parts: Any) -> list[str]:
    project = ServiceMessages(
        **{"service": "b-service", "announces": list(announces), "reads": [], "upcasts": {}} | parts
    )
    return known_names.unknown_names(project, [CONFIRMED, RESERVE, *announces], SERVICES)


def reads(name: str, kind: Any = "event") -> list[Subscription]:
    return [Subscription(handler="on_it", kind=kind, name=name, version=1, schema=None, payload="It")]


def test_known_names_are_fine() -> None:
    for name in ("order.confirmed", "order.*", "#", "*.confirmed", "order.#"):
        assert told(reads=reads(name)) == []
    assert told(reads=reads("reserve.stock", "command"), upcasts={"order.confirmed": [1]}) == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"reads": reads("reserve.stok", "command")}, "that command to it. Did you mean reserve.stock?"),
        ({"reads": reads("order.confirmed", "command")}, "nobody sends that command to it."),
        ({"reads": reads("reserve.stock")}, "nobody announces that event."),
        ({"reads": reads("order.confirmed.*")}, "no known event matches that pattern."),
        ({"upcasts": {"order.confirmd": [1]}}, "an upcaster for order.confirmd, which no event"),
    ],
)  # fmt: skip
def test_every_use_of_an_unknown_name_is_reported(parts: dict[str, Any], said: str) -> None:
    (problem,) = told(**parts)
    assert said in problem


def test_a_command_goes_to_a_service_of_the_platform_or_says_that_it_does_not() -> None:
    mistyped = replace(RESERVE, to="b-servic")
    (problem,) = told(mistyped)
    assert (
        "sends reserve.stock version 1 to b-servic, and no service is called so. Did you mean b-service?"
        in problem
    )
    assert told(replace(mistyped, outside=True)) == []
    (problem,) = told(replace(RESERVE, outside=True))
    assert "which is a service of the platform: remove `outside`" in problem


def test_no_service_declares_the_messages_of_another_service_of_the_platform() -> None:
    declared = replace(CONFIRMED, service="b-service", senders=["a-service", "old-erp"], foreign=True)
    (problem,) = told(declared)
    assert "declares that a-service announces order.confirmed version 1" in problem
    assert told(replace(declared, senders=["old-erp"])) == []


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A platform of the library alone, with a document of one event."""
    (tmp_path / "projects.toml").write_text(PROJECTS)
    monkeypatch.setenv("ATOLL_ROOT", str(tmp_path))
    path = tmp_path / contracts.DOCUMENT
    path.parent.mkdir()
    path.write_text(asyncapi.to_json(asyncapi.document([], [CONFIRMED])))
    return path


@pytest.mark.usefixtures("handlers")
def test_the_checks_of_a_project_refuse_unknown_names(document: Path) -> None:
    @on("order.confirmed")
    def hear(event: dict[str, Any], message: Message) -> None: ...

    assert checks.check_names() == []

    @on("order.confirmd")
    def mishear(event: dict[str, Any], message: Message) -> None: ...

    @handles("write.notes")
    def obey(command: dict[str, Any], message: Message) -> None: ...

    (problem,) = checks.check_names()
    assert problem.id == "atoll_bus.E007"
    assert "Did you mean order.confirmed?" in problem.msg
    assert "Did you mean write.note?" in problem.msg
    document.unlink()
    assert checks.check_names() == []


def test_a_document_that_cannot_be_read_fails_the_checks(document: Path) -> None:
    for text in ("", "{", "[]", '{"components": 1}'):
        document.write_text(text)
        with pytest.raises(ImproperlyConfigured, match=r"asyncapi.json cannot be read back"):
            contracts.refuse_unknown_names()


def test_a_project_may_read_its_own_new_messages_before_the_document_is_written(document: Path) -> None:
    assert checks.check_names() == []  # the library's own handlers, none of them in the document


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("valkey")
def test_a_worker_with_an_unknown_name_does_not_start(document: Path, tmp_path: Path) -> None:
    held = json.loads(document.read_text())
    del held["components"]["messages"]["order.confirmed.v1"]
    document.write_text(json.dumps(held))
    process = Process(tmp_path, WORKER, TESTPROJECT_MISHEARS="order.confirmd")
    try:
        assert process.ended() == 1
    finally:
        process.end()
    assert "The worker does not start." in process.log.read_text()
    assert (
        "reads order.confirmd in testproject.handlers.mishear, and nobody announces"
        in process.log.read_text()
    )


@dataclass
class Declared:
    type: ClassVar[str] = "stock.counted"
    senders: ClassVar[tuple[str, ...]] = ("old-erp", "older-erp")


@dataclass
class Lost:
    command: ClassVar[str] = "count.stock"
    to: ClassVar[str] = "librari-service"


@dataclass
class Printed(Lost):
    to: ClassVar[str] = "old-printer"
    outside: ClassVar[bool] = True


@pytest.mark.usefixtures("handlers")
def test_sending_refuses_unknown_names(atoll_bus: Bus) -> None:
    with pytest.raises(
        Misuse, match=r"stock.counted is announced by old-erp, older-erp, .* not by library-service"
    ):
        publish(Declared())
    with pytest.raises(Misuse, match=r"sent to librari-service, .* Did you mean library-service\?"):
        send(Lost())
    with pytest.raises(Misuse, match=r"Did you mean product-service\?"):
        send(Printed.__base__(), to="products-service")

    @handles("count.stocks")
    def count(command: dict[str, Any], message: Message) -> None: ...

    with pytest.raises(Misuse, match=r"no function here handles it. Did you mean count.stocks\?"):
        schedule(Lost(), after=timedelta(1))
    assert Outbox.objects.count() == 0
    send(Printed())
    assert Outbox.objects.get().destination == "old-printer"


def test_an_upcaster_of_an_unknown_message_fails_the_checks(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upcasting, "_upcasters", {})
    upcast("note.prized", from_version=1)(dict)
    (problem,) = checks.check_names()
    assert (
        "an upcaster for note.prized, which no event and no command is called. Did you mean note.priced?"
        in problem.msg
    )
