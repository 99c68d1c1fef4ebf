"""Generated classes have the schema and the data of the classes that the document was written from."""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll import wire
from atoll.bus import Message, on, publish, send
from atoll.bus.models import Outbox
from atoll.bus.schemas import definitions, exchange, json_schema, python_code
from atoll.bus.schemas.definitions import Definition, normalized
from atoll.errors import Misuse
from atoll.testing.bus import Bus

from .written_code import definitions_of, document, imported, read

SEVEN = UUID(int=7)


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Part:
    sku: str
    price: Decimal
    sizes: list[Size] = field(default_factory=list)


@dataclass(frozen=True)
class Everything:
    """One of each annotation; "quotes", a \\ backslash and \x1b[31m stay what they are."""

    type: ClassVar[str] = "thing.made"
    senders: ClassVar[tuple[str, ...]] = ("shop-service", "library-service")
    thing_id: UUID
    at: datetime
    on: date
    parts: list[Part]
    by_day: dict[date, Decimal]
    either: int | str
    state: Literal["new", "old"]
    level: Literal[1, 2]
    nothing: str | None
    first: Part | None = None
    price: Decimal = Decimal("9.90")
    ratio: float = 0.5
    flag: bool = True
    day: date = date(2026, 11, 29)
    moment: datetime = datetime(2026, 11, 29, 4, 30, tzinfo=UTC)
    whose: UUID = SEVEN
    tags: list[str] = field(default_factory=lambda: ["a", 'b"'])
    part: Part = field(default_factory=lambda: Part("x", Decimal("1.5"), [Size.LARGE]))
    notes: dict[str, Any] = field(default_factory=lambda: {"a": [1, None, True]})
    any: Any = None


@dataclass(frozen=True)
class Keywords:
    type: ClassVar[str] = "word.kept"
    class_: str = field(metadata={"wire": "class"})
    other: int = field(default=1, metadata={"wire": "Strange name-1"})
    date: str = ""
    str: int = 0


EVERYTHING = Everything(
    thing_id=uuid4(),
    at=datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    on=date(2026, 1, 2),
    parts=[Part("a", Decimal("0.10"), [Size.SMALL]), Part("b", Decimal("1e2"))],
    by_day={date(2026, 1, 1): Decimal("1.00")},
    either="text",
    state="old",
    level=2,
    nothing=None,
    first=Part("c", Decimal("3")),
    any={"deep": [1, Decimal("2.5")]},
)


def python(*classes: type, **options: Any) -> str:
    return exchange.generated(
        "python", read(document(definitions_of(*classes))).definitions, made_from="their.json", **options
    )


def schema_of(cls: type) -> Any:
    return normalized(json_schema.of_class(cls))


def test_every_annotation_comes_back_with_its_schema_its_defaults_and_its_data(tmp_path: Path) -> None:
    with imported(python(Everything), tmp_path) as module:
        written = module.ThingMade
        assert (written.type, written.version, written.senders) == (
            "thing.made", 1, ("library-service", "shop-service"),
        )  # fmt: skip
        assert schema_of(written) == schema_of(Everything)
        assert json_schema.of_class(written)["properties"] == json_schema.of_class(Everything)["properties"]
        assert written.__doc__ == definitions_of(Everything)[0].summary
        data = wire.checked_payload(EVERYTHING)
        assert wire.checked_payload(wire.from_payload(written, data)) == data
        with pytest.raises(AttributeError):
            wire.from_payload(written, data).flag = False


def test_names_that_python_cannot_have_keep_their_name_on_the_wire(tmp_path: Path) -> None:
    with imported(python(Keywords), tmp_path) as module:
        made = module.WordKept(class_="first", date_="today", str_=3)
        assert wire.checked_payload(made) == {
            "class": "first",
            "Strange name-1": 1,
            "date": "today",
            "str": 3,
        }
        assert wire.to_payload(made) == wire.checked_payload(made)
        assert schema_of(module.WordKept) == schema_of(Keywords)
        data = {"class": "x", "Strange name-1": 2}
        assert wire.from_payload(module.WordKept, data).strange_name_1 == 2


def versions() -> list[Definition]:
    @dataclass(frozen=True)
    class First:
        type: ClassVar[str] = "thing.moved"
        where: str

    @dataclass(frozen=True)
    class Second:
        type: ClassVar[str] = "thing.moved"
        version: ClassVar[int] = 2
        place: str

    return definitions_of(First, Second)


def test_the_newest_version_has_the_plain_name(tmp_path: Path) -> None:
    text = python_code.module(versions(), made_from="their.json")
    with imported(text, tmp_path) as module:
        assert wire.checked_payload(module.ThingMoved(place="a")) == {"place": "a"}
        assert wire.checked_payload(module.ThingMovedV1(where="a")) == {"where": "a"}
        assert (module.ThingMoved.version, module.ThingMovedV1.version) == (2, 1)


def test_a_command_goes_outside_unless_it_goes_to_the_user_of_the_code() -> None:
    @dataclass(frozen=True)
    class Ask:
        command: ClassVar[str] = "ask.thing"
        to: ClassVar[str] = "other-service"
        thing_id: UUID

    assert "outside: ClassVar[bool] = True" in python(Ask)
    assert "outside" not in python(Ask, service="other-service")


def test_personal_fields_are_marked(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Named:
        type: ClassVar[str] = "person.named"
        subject: ClassVar[str] = "person_id"
        personal: ClassVar[tuple[str, ...]] = ("full_name",)
        person_id: UUID
        full_name: str

    with imported(python(Named), tmp_path) as module:
        assert definitions.personal_of(module.PersonNamed) == ("personId", ["fullName"])


def test_a_default_that_does_not_fit_becomes_none(tmp_path: Path) -> None:
    made = document(definitions_of(Everything))
    data = made["components"]["messages"]["thing.made.v1"]["payload"]["properties"]["data"]
    data["properties"]["price"]["default"] = "__import__('os').getcwd()"
    del data["properties"]["whose"]["default"]
    with imported(python_code.module(read(made).definitions, made_from="x"), tmp_path) as module:
        fields = module.ThingMade.__dataclass_fields__
        assert (fields["price"].default, fields["whose"].default) == (None, None)
        assert fields["whose"].type == UUID | None


@pytest.mark.django_db
def test_publish_and_send_write_what_the_original_writes(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Asked:
        command: ClassVar[str] = "ask.thing"
        to: ClassVar[str] = "other-service"
        outside: ClassVar[bool] = True
        senders: ClassVar[tuple[str, ...]] = ("library-service",)
        price: Decimal

    def row(announce: Callable[[Any], UUID], message: Any) -> tuple[Any, ...]:
        held = Outbox.objects.get(message_id=announce(message))
        body = wire.loads(held.body.encode())
        return held.kind, held.name, held.destination, body["data"] | {"timestamp": ""}, body["version"]

    with imported(python(Everything, Asked), tmp_path) as module:
        again = wire.from_payload(module.ThingMade, wire.checked_payload(EVERYTHING))
        assert row(publish, again) == row(publish, EVERYTHING)
        assert row(send, module.AskThing(price=Decimal("9.95"))) == row(send, Asked(Decimal("9.95")))


@pytest.mark.django_db
def test_only_its_senders_publish_a_generated_event(tmp_path: Path) -> None:
    with (
        imported(python_code.module(versions(), made_from="x"), tmp_path) as module,
        pytest.raises(Misuse, match=r"thing\.moved is announced by shop-service"),
    ):
        publish(module.ThingMoved(place="a"))


@pytest.mark.django_db
@pytest.mark.usefixtures("handlers")
def test_a_handler_takes_a_generated_class(tmp_path: Path, atoll_bus: Bus) -> None:
    with imported(python(Everything), tmp_path) as module:
        seen: list[Any] = []

        def see(event: Any, message: Message) -> None:
            seen.append(event)

        see.__annotations__["event"] = module.ThingMade
        on("thing.made", name="generated.see")(see)
        atoll_bus.deliver("thing.made", wire.checked_payload(EVERYTHING))
        assert seen[0] == wire.from_payload(module.ThingMade, wire.checked_payload(EVERYTHING))
        assert seen[0].parts[0].price == Decimal("0.10")


def test_events_may_be_a_package_with_generated_modules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = tmp_path / "shop_of_a_test"
    (app / "events").mkdir(parents=True)
    (app / "__init__.py").write_text("")
    (app / "events" / "__init__.py").write_text("")
    (app / "events" / "theirs.py").write_text(python_code.module(versions(), made_from="x"))
    monkeypatch.syspath_prepend(tmp_path)

    class App:
        name = "shop_of_a_test"
        module = __import__("shop_of_a_test")

    monkeypatch.setattr(definitions.apps, "get_app_configs", lambda: [App])
    found = definitions.announced(definitions.event_modules(), "library-service")
    assert [(one.name, one.version, one.foreign) for one in found] == [
        ("thing.moved", 1, True), ("thing.moved", 2, True),
    ]  # fmt: skip


# A document whose every text and name was chosen by an enemy.
texts = st.text(max_size=40) | st.sampled_from(
    [
        '"""', "'''", '"""\nimport os\n"""', "\\", '\\"', "x'); import os; ('", "#{}\n", "a\nb", "{x}",
        "__class__", "class", "None", "self", "__init__", "type", "field", "_x", "__x",
        "9", "a-b", "é", "\u2028", "\x1b[2J", "\0", "*/",
    ]
)  # fmt: skip
hostile = texts.filter(lambda text: "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text))
leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.sampled_from(
        [
            {"type": "string"}, {"type": "integer", "format": "int64"},
            {"type": "number", "format": "decimal"},
            {"type": "number", "format": "double"}, {"type": "boolean"}, {"type": ["string", "null"]},
            {"type": "string", "format": "uuid"}, {"type": "string", "format": "date-time"},
        ]
    ),
    st.lists(hostile, min_size=1, max_size=3).map(lambda values: {"type": "string", "enum": values}),
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | hostile,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(hostile, inner, max_size=2),
    max_leaves=4,
)


def with_default(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    return schema | {"default": value}


def an_object(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    keys = hostile.filter(bool)
    return st.builds(
        lambda title, properties: {
            "type": "object",
            "title": title,
            "properties": properties,
            "required": list(properties)[::2],
        },
        hostile,
        st.dictionaries(keys, inner | st.builds(with_default, inner, json_values), max_size=4),
    )


schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        an_object(inner),
        inner.map(lambda item: {"type": "array", "items": item}),
        inner.map(lambda item: {"type": "object", "additionalProperties": item}),
        st.lists(inner, min_size=1, max_size=2).map(lambda choices: {"anyOf": choices}),
    ),
    max_leaves=8,
)
names = (
    st.from_regex(definitions.NAME, fullmatch=True)
    .map(lambda name: name[:60])
    .filter(definitions.NAME.fullmatch)
)
foreign = st.lists(
    st.builds(
        Definition,
        kind=st.just("event"),
        name=names,
        version=st.integers(1, 3),
        schema=an_object(schemas),
        service=hostile,
        summary=hostile,
        senders=st.lists(hostile, max_size=2),
    ),
    max_size=3,
    unique_by=lambda one: one.key,
)

PURE = (
    ast.Module, ast.ImportFrom, ast.alias, ast.ClassDef, ast.AnnAssign, ast.Name, ast.Load, ast.Store,
    ast.Expr, ast.Constant, ast.Subscript, ast.Tuple, ast.BinOp, ast.BitOr, ast.Call, ast.keyword,
    ast.Attribute, ast.Lambda, ast.arguments, ast.List, ast.Dict, ast.Pass, ast.UnaryOp, ast.USub,
)  # fmt: skip
CALLED = {"dataclass", "field", "UUID", "Decimal"}


def assert_harmless(text: str) -> None:
    """The module is declarations alone: it calls only constructors of values and of its own classes."""
    tree = ast.parse(text)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        assert isinstance(node, PURE), ast.dump(node)
        if isinstance(node, ast.ImportFrom):
            assert node.module in ("dataclasses", "datetime", "decimal", "typing", "uuid")
        if isinstance(node, ast.Attribute):
            assert ast.unparse(node) in ("datetime.fromisoformat", "date.fromisoformat")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id in CALLED | own


@settings(max_examples=60, deadline=None)
@given(found=foreign, source=hostile)
def test_no_foreign_text_becomes_code(
    tmp_path_factory: pytest.TempPathFactory, found: list[Definition], source: str
) -> None:
    there = read(document(found)).definitions
    text = python_code.module(there, made_from=source)
    assert_harmless(text)
    with imported(text, tmp_path_factory.mktemp("hostile")) as module:
        for definition in there:
            cls = class_of(module, definition)
            assert {*json_schema.of_class(cls)["properties"], "timestamp"} == {
                *definition.schema["properties"],
                "timestamp",
            }


def class_of(module: ModuleType, definition: Definition) -> type:
    (found,) = [
        cls
        for cls in vars(module).values()
        if isinstance(cls, type)
        and cls.__module__ == module.__name__
        and (vars(cls).get("type"), vars(cls).get("version")) == (definition.name, definition.version)
    ]
    return found


def test_code_that_is_no_declaration_would_be_found() -> None:
    for text in ("import os", "x: int = eval('1')", "class A:\n    def f(self): ...", "print(1)"):
        with pytest.raises(AssertionError):
            assert_harmless(text)
