"""Every handler can read its messages, in each version that can still arrive."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from atoll import wire
from atoll.bus.schemas import catalogue, compatibility, json_schema
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.errors import Misuse


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Line:
    sku: str
    price: Decimal
    note: str | None = None


@dataclass
class Placed:
    order_id: UUID
    count: int
    size: Size
    placed_at: datetime
    lines: list[Line]
    changes: dict[str, Any]
    customer: Line | None
    total: Decimal | None
    gift: bool = False


def announcing(cls: type, version: int = 1, **facts: Any) -> Definition:
    return Definition(
        **{"kind": "event", "name": "order.placed", "service": "order-service"} | facts,
        version=version,
        schema=json_schema.of_class(cls),
    )


def reading(
    cls: type | None, version: int = 1, name: str = "order.placed", kind: Any = "event"
) -> Subscription:
    return Subscription(
        handler="services.x.on_it",
        kind=kind,
        name=name,
        version=version,
        schema=cls and json_schema.of_class(cls),
        payload=cls.__name__ if cls else "dict",
    )


def reader(*reads: Subscription, service: str = "x-service", **upcasts: list[int]) -> ServiceMessages:
    return ServiceMessages(
        service=service, announces=[], reads=list(reads), upcasts={"order.placed": upcasts.get("steps", [])}
    )


def gaps(hint: Any, offered: type = Placed) -> list[str]:
    return list(compatibility.mismatches(json_schema.of_class(offered), json_schema.of_class(hint), "data"))


def one(name: str, hint: Any, *default: Any) -> type:
    body = {"__annotations__": {name: hint}} | ({name: default[0]} if default else {})
    return dataclass(type("Wanted", (), body))


@pytest.mark.parametrize(
    "wanted",
    [
        one("order_id", UUID),
        one("order_id", str),
        one("order_id", UUID | None),
        one("order_id", int | UUID),
        one("count", Decimal),
        one("count", float),
        one("size", Size),
        one("size", str),
        one("size", Literal["small", "medium", "large"]),
        one("placed_at", datetime),
        one("lines", list[one("sku", str)]),
        one("lines", list),
        one("lines", list[dict[str, Any]]),
        one("changes", dict[str, Any]),
        one("customer", one("price", Decimal) | None),
        one("total", Decimal | None),
        one("total", Any),
        one("gift", bool, True),
        one("never_heard_of", UUID, None),
    ],
)
def test_a_reader_may_need_less_or_accept_more(wanted: type) -> None:
    assert gaps(wanted) == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (one("sum", Decimal), "`data.sum` is needed and is never sent"),
        (one("gift", bool), "`data.gift` is needed and may be missing"),
        (one("count", str), "`data.count` must be string and is int64"),
        (one("count", UUID), "`data.count` must be uuid and is int64"),
        (one("total", Decimal), "`data.total` must be decimal and is null"),
        (one("size", Literal["small"]), "`data.size` must be one of small and is one of small, large"),
        (one("placed_at", UUID), "`data.placedAt` must be uuid and is date-time"),
        (one("lines", list[one("sku", int)]), "`data.lines[].sku` must be int64 and is string"),
        (one("lines", list[one("note", str)]), "`data.lines[].note` must be string and is null"),
        (one("lines", Line), "`data.lines` must be object and is an array of object"),
        (one("changes", dict[str, int]), "`data.changes.*` must be int64 and is anything"),
        (one("changes", dict[UUID, Any]), "the keys of `data.changes` must be uuid"),
        (one("customer", Line), "`data.customer` must be object and is null"),
        (one("customer", one("gift", bool) | None), "`data.customer.gift` is needed and is never sent"),
        (one("gift", str, ""), "`data.gift` must be string and is boolean"),
    ],
)
def test_a_missing_field_or_another_type_is_named(wanted: type, said: str) -> None:
    assert said in gaps(wanted)


FIELDS = ("order_id", "count", "size", "placed_at", "total", "gift", "changes", "customer", "lines", "other")
HINTS = [
    UUID, str, int, float, Decimal, bool, datetime, Size, Any, Line, list[Line], list[int], dict[str, Any],
    dict[str, int], Literal["small"], Decimal | None, Line | None, int | str, UUID | None,
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(HINTS), st.booleans()), max_size=4))
def test_a_compatible_reader_reads_every_example(fields: list[tuple[str, Any, bool]]) -> None:
    chosen = {name: (hint, optional) for name, hint, optional in fields}
    body: dict[str, Any] = {"__annotations__": {name: hint for name, (hint, _) in chosen.items()}}
    body |= {name: field(default=None) for name, (_, optional) in chosen.items() if optional}
    try:
        wanted = dataclass(kw_only=True)(type("Wanted", (), body))
        agreed = gaps(wanted) == []
    except Misuse:
        return
    for data in compatibility.examples(json_schema.of_class(Placed)):
        if agreed:
            wire.from_payload(wanted, data)


def test_examples_are_valid_and_cover_every_alternative() -> None:
    schema = json_schema.of_class(Placed)
    found = compatibility.examples(schema)
    for data in found:
        Draft7Validator(schema).validate(data)
    assert {data["size"] for data in found} == {"small", "large"}
    assert {data["customer"] is None for data in found} == {True, False}
    assert {data.get("gift") for data in found} == {None, True}


def test_an_incompatibility_names_service_handler_class_and_field() -> None:
    projects = [reader(reading(one("sum", Decimal)))]
    assert compatibility.incompatibilities(projects, [announcing(Placed)]) == [
        "x-service reads order.placed version 1 in services.x.on_it as Wanted: "
        "`data.sum` is needed and is never sent"
    ]


def test_a_pattern_reads_every_event_it_matches_and_a_dict_reads_anything() -> None:
    definitions = [
        announcing(Placed),
        announcing(Line, name="order.lined"),
        announcing(Line, name="user.lined"),
    ]
    pattern = compatibility.incompatibilities([reader(reading(one("sku", str), name="order.*"))], definitions)
    assert [text.split(" in ")[0] for text in pattern] == ["x-service reads order.placed version 1"]
    assert compatibility.incompatibilities([reader(reading(None, name="#"))], definitions) == []


def test_an_older_version_must_be_read_too_as_it_is_or_after_upcasting() -> None:
    definitions = [announcing(Placed), announcing(one("sum", Decimal), version=2)]
    new = reading(one("sum", Decimal), version=2)
    (refused,) = compatibility.incompatibilities([reader(new)], definitions)
    assert refused.endswith('is never sent (there is no `@upcast("order.placed", from_version=1)`)')
    assert compatibility.incompatibilities([reader(new, steps=[1])], definitions) == []
    tried = compatibility.trials([reader(new, steps=[1])], definitions)
    assert {(trial.service, trial.handler, trial.version) for trial in tried} == {
        ("x-service", "services.x.on_it", 1)
    }
    assert [trial.data for trial in tried] == compatibility.examples(json_schema.of_class(Placed))
    assert compatibility.trials([reader(new)], definitions) == []


def test_a_newer_version_than_a_handler_reads_must_still_fit() -> None:
    old = reader(reading(one("count", int)), steps=[1])
    assert compatibility.incompatibilities([old], [announcing(Placed, version=2)]) == []
    assert compatibility.incompatibilities([old], [announcing(one("sum", Decimal), version=2)]) != []


def test_a_command_needs_a_handler_where_it_is_sent() -> None:
    command = announcing(Line, kind="command", name="print.line", to="x-service")
    assert compatibility.incompatibilities([reader()], [command]) == [
        "order-service sends print.line version 1 to x-service, where nothing handles it"
    ]
    handles = reading(one("sku", str), name="print.line", kind="command")
    assert compatibility.incompatibilities([reader(handles)], [command]) == []
    elsewhere = reader(handles, service="y-service")
    assert len(compatibility.incompatibilities([reader(), elsewhere], [command])) == 1
    assert compatibility.incompatibilities([elsewhere], [command]) == []


def test_a_foreign_message_follows_its_declaration_for_every_reader() -> None:
    declared = announcing(Line, service="x-service", senders=["old-erp"], foreign=True)
    projects = [
        ServiceMessages(service="x-service", announces=[declared], reads=[], upcasts={}),
        reader(reading(one("sum", Decimal)), service="y-service"),
    ]
    (foreign,) = catalogue.definitions(projects, [])
    assert (foreign.foreign, foreign.service, foreign.announcers) == (True, "x-service", ["old-erp"])
    assert compatibility.incompatibilities(projects, [foreign]) == [
        "y-service reads order.placed version 1 in services.x.on_it as Wanted: "
        "`data.sum` is needed and is never sent"
    ]


def test_a_message_that_several_define_may_be_announced_by_the_senders_of_each() -> None:
    ours = announcing(Line, service="b-service")
    declared = announcing(Line, service="a-service", senders=["old-erp"], foreign=True)
    projects = [
        ServiceMessages(service=service, announces=[definition], reads=[], upcasts={})
        for service, definition in (("a-service", declared), ("b-service", ours))
    ]
    (found,) = catalogue.definitions(projects, [])
    assert (found.service, found.foreign, found.announcers) == ("b-service", False, ["b-service", "old-erp"])


def test_two_services_that_define_one_message_differently_are_refused() -> None:
    def says(service: str, cls: type) -> ServiceMessages:
        return ServiceMessages(
            service=service, announces=[announcing(cls, service=service)], reads=[], upcasts={}
        )

    assert len(catalogue.definitions([says("a-service", Line), says("b-service", Line)], [])) == 1
    with pytest.raises(Misuse, match=r"a-service and b-service define .* version 1 differently"):
        catalogue.definitions([says("a-service", Line), says("b-service", Placed)], [])


def test_an_earlier_foreign_declaration_must_still_be_readable() -> None:
    def declaring(cls: type, version: int) -> ServiceMessages:
        facts: dict[str, Any] = {"service": "x-service", "senders": ["old-erp"], "foreign": True}
        announces = [announcing(cls, version, **facts)]
        reads = [reading(cls, version)]
        return ServiceMessages(service="x-service", announces=announces, reads=reads, upcasts={})

    old = catalogue.definitions([declaring(Line, 1)], [])
    raised = declaring(one("sum", Decimal), 2)
    definitions = catalogue.definitions([raised], old)
    assert [(item.version, item.superseded, item.foreign) for item in definitions] == [
        (2, False, True),
        (1, True, True),
    ]
    (refused,) = compatibility.incompatibilities([raised], definitions)
    assert "x-service reads order.placed version 1" in refused
