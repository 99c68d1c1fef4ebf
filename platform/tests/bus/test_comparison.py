"""``asyncapi --against``: the messages of this repository beside the document of another one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from atoll.bus.schemas import asyncapi, exchange, json_schema
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.cli.asyncapi import main
from atoll.cli.asyncapi.services import Described

from .written_code import definitions_of, document


@dataclass(frozen=True)
class Placed:
    type: ClassVar[str] = "order.placed"
    order_id: UUID
    total: Decimal


@dataclass(frozen=True)
class Wanted:
    order_id: UUID
    total: Decimal


@dataclass(frozen=True)
class WantedAsText:
    order_id: UUID
    total: str


@dataclass(frozen=True)
class WantedWithNote:
    order_id: UUID
    note: str


@dataclass(frozen=True)
class Ship:
    command: ClassVar[str] = "ship.order"
    to: ClassVar[str] = "order-service"
    outside: ClassVar[bool] = True
    order_id: UUID


def reads(cls: type, name: str = "order.placed", kind: Any = "event", version: int = 1) -> Subscription:
    return Subscription(
        handler="shop.on_it",
        kind=kind,
        name=name,
        version=version,
        schema=json_schema.of_class(cls),
        payload=cls.__name__,
    )


def shop(*read: Subscription, announces: list[Definition] | None = None) -> ServiceMessages:
    return ServiceMessages(service="shop-service", announces=announces or [], reads=list(read), upcasts={})


def declared(cls: type, **facts: Any) -> Definition:
    """What shop's ``events.py`` says of an event of the order service."""
    (definition,) = definitions_of(cls, service="shop-service")
    return replace(definition, senders=["order-service"], foreign=True, **facts)


@dataclass
class Their:
    """The other repository: the order service and its document."""

    path: Path
    announces: list[Definition]
    reads: tuple[Subscription, ...] = ()

    def compare(self, mine: ServiceMessages) -> tuple[list[str], bool]:
        project = ServiceMessages(
            service="order-service", announces=self.announces, reads=list(self.reads), upcasts={}
        )
        self.path.write_text(asyncapi.to_json(document(self.announces, [project])))
        lines, is_good = exchange.against([mine], str(self.path), lambda trials: [])
        return lines[:-1], is_good


@pytest.fixture
def their(tmp_path: Path) -> Their:
    return Their(tmp_path / "their.json", definitions_of(Placed, service="order-service"))


def changed(their: Their, change: Callable[[dict[str, Any]], object], **facts: Any) -> None:
    """Change the data's schema of the event there."""
    (definition,) = their.announces
    schema: dict[str, Any] = {
        **definition.schema,
        "properties": dict(definition.schema["properties"]),
        "required": list(definition.schema["required"]),
    }
    change(schema)
    their.announces = [replace(definition, schema=schema, **facts)]


def test_messages_that_fit_break_nothing(their: Their) -> None:
    assert their.compare(shop(reads(Wanted), announces=[declared(Placed)])) == ([], True)


def test_an_event_that_is_published_no_more_breaks(their: Their) -> None:
    assert their.compare(shop(reads(Wanted, "order.plced"))) == (
        [
            "- breaks: shop-service reads order.plced in shop.on_it, and no service of the document "
            "publishes it. Did you mean order.placed?"
        ],
        False,
    )


def test_a_field_of_another_type_and_a_field_that_is_missing_break(their: Their) -> None:
    start = "- breaks: shop-service reads order.placed version 1 in shop.on_it as "
    assert their.compare(shop(reads(WantedAsText))) == (
        [f"{start}WantedAsText: `data.total` must be string and is decimal"], False,
    )  # fmt: skip
    assert their.compare(shop(reads(WantedWithNote))) == (
        [f"{start}WantedWithNote: `data.note` is needed and is never sent"], False,
    )  # fmt: skip


def test_a_declaration_that_is_not_true_any_more_breaks(their: Their) -> None:
    changed(their, lambda schema: schema["required"].remove("total"))
    lines, is_good = their.compare(shop(announces=[declared(Placed)]))
    assert (lines, is_good) == (
        [
            "- breaks: shop-service declares order.placed version 1 of order-service: "
            "`data.total` is needed and may be missing"
        ],
        False,
    )


def test_more_fields_and_a_version_that_handlers_can_read_are_compatible(their: Their) -> None:
    changed(their, lambda schema: schema["properties"].update(note={"type": "string", "default": ""}))
    mine = shop(reads(Wanted), announces=[declared(Placed)])
    assert their.compare(mine) == (
        ["- compatible: order.placed version 1 has more in the document: `data.note`"], True,
    )  # fmt: skip
    changed(their, lambda schema: None, version=2)
    assert their.compare(mine) == (
        ["- compatible: order.placed version 2 is in the document, and version 1 here"], True,
    )  # fmt: skip


def test_a_version_that_a_handler_cannot_read_breaks(their: Their) -> None:
    changed(their, lambda schema: schema["properties"].update(total={"type": "string"}), version=2)
    lines, is_good = their.compare(shop(reads(Wanted)))
    assert not is_good
    assert lines[0] == (
        "- breaks: shop-service reads order.placed version 2 in shop.on_it as Wanted: "
        "`data.total` must be decimal and is string"
    )


def test_events_of_a_third_system_are_not_compared(their: Their) -> None:
    foreign = replace(declared(Placed), name="fax.sent", senders=["legacy-fax"])
    lines, is_good = their.compare(shop(reads(Wanted, "fax.sent"), announces=[foreign]))
    assert (lines, is_good) == (
        [
            "- not compared: shop-service reads fax.sent in shop.on_it, and its senders (legacy-fax) "
            "are not in the document"
        ],
        True,
    )


def test_a_reader_there_that_misses_something_breaks(their: Their) -> None:
    mine = [replace(one, service="shop-service", senders=[]) for one in definitions_of(Placed)]
    wanted = replace(
        declared(Placed), service="order-service", senders=["shop-service"],
        schema=json_schema.of_class(WantedWithNote),
    )  # fmt: skip
    their.announces = [wanted]
    assert their.compare(shop(announces=mine)) == (
        [
            "- breaks: order-service of the document reads order.placed version 1 of shop-service: "
            "`data.note` is needed and is never sent"
        ],
        False,
    )
    assert their.compare(shop())[0] == [
        "- breaks: order-service of the document reads order.placed version 1 of shop-service, and no "
        "service here announces it."
    ]


def test_a_command_that_is_not_handled_there_breaks(their: Their) -> None:
    mine = shop(announces=definitions_of(Ship))
    assert their.compare(mine) == (
        [
            "- breaks: shop-service sends ship.order version 1 to order-service, which does not handle it "
            "by the document."
        ],
        False,
    )
    their.announces += definitions_of(Ship, service="order-service")
    their.reads = (reads(Ship, "ship.order", "command"),)
    assert their.compare(mine) == ([], True)


def test_a_command_from_there_that_nothing_here_handles_breaks(their: Their) -> None:
    their.announces += [
        replace(one, to="shop-service") for one in definitions_of(Ship, service="order-service")
    ]
    assert their.compare(shop())[0] == [
        "- breaks: order-service sends ship.order version 1 to shop-service, where nothing handles it"
    ]
    assert their.compare(shop(reads(Ship, "ship.order", "command")))[1]


def test_of_a_service_on_both_sides_the_document_is_the_earlier_state(their: Their) -> None:
    mine = ServiceMessages(
        service="order-service",
        announces=definitions_of(Placed, service="order-service"),
        reads=[],
        upcasts={},
    )
    assert their.compare(mine) == ([], True)
    changed(their, lambda schema: schema["properties"].update(gone={"type": "string"}))
    lines, is_good = their.compare(mine)
    assert not is_good
    assert lines[0].startswith("- breaks: order.placed version 1: `data.gone` is gone.")
    changed(their, lambda schema: [schema["properties"].pop(key, None) for key in ("gone", "total")])
    changed(their, lambda schema: schema["required"].remove("total"))
    assert "`data.total` is new and required" in their.compare(mine)[0][0]


def test_a_terminal_gets_no_control_characters(their: Their) -> None:
    changed(their, lambda schema: schema["properties"].update({"\x1b[2J": {"type": "string"}}))
    assert their.compare(shop(announces=[declared(Placed)]))[0] == [
        "- compatible: order.placed version 1 has more in the document: `data.\\x1b[2J`"
    ]


def test_the_verb_prints_the_comparison_and_fails_on_a_break(
    their: Their, capsys: pytest.CaptureFixture[str]
) -> None:
    their.compare(shop())

    def verb(*argv: str, read: Subscription) -> int:
        return main(["--check", "--against", str(their.path), *argv], lambda: Described([shop(read)]))

    assert verb(read=reads(Wanted)) == 0
    assert capsys.readouterr().out == (
        f"Compared shop-service with order-service of {their.path}: nothing breaks.\n"
    )
    assert verb(read=reads(WantedAsText)) == 1
    said = capsys.readouterr().err
    assert said.endswith(f"Compared shop-service with order-service of {their.path}: 1 to mend.\n")
    assert verb("--service", "shop-servic", read=reads(Wanted)) == 1
    assert capsys.readouterr().err == "No service is called shop-servic. Did you mean shop-service?\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["--against", "a", "--generate", "python"],
        ["--generate", "python", "--check"],
        ["--service", "shop-service"],
        ["--from", "a"],
        ["--generate", "cobol"],
    ],
)
def test_options_that_do_not_belong_together_are_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(argv, lambda: Described([]))
    assert end.value.code == 2


def test_the_verb_writes_code_and_names_an_unknown_message(
    their: Their, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    their.compare(shop())
    place = tmp_path / "orders.py"
    argv = ["--generate", "python", "--from", str(their.path), "--output"]
    assert main([*argv, str(place), "--only", "order.*"], lambda: Described([])) == 0
    assert capsys.readouterr().out == f"Wrote {place}.\n"
    assert "class OrderPlaced:" in place.read_text()
    assert main([*argv, str(place), "--only", "order.plac"], lambda: Described([])) == 1
    assert capsys.readouterr().err == (
        f"No message of {their.path} is called order.plac. Did you mean order.placed?\n"
    )
    assert main([*argv, str(tmp_path / "no" / "x.py")], lambda: Described([])) == 1
    assert capsys.readouterr().err.endswith("x.py cannot be written: No such file or directory.\n")
    assert main(["--generate", "typescript", "--from", str(their.path)], lambda: Described([])) == 0
    assert "export interface OrderPlaced {" in capsys.readouterr().out
