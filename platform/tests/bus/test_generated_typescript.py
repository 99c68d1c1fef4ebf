"""Generated types: `tsc --strict` takes them, takes data that fits, and refuses data that does not."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings

from atoll.bus.schemas import typescript_code
from atoll.bus.schemas.compatibility import examples
from atoll.bus.schemas.definitions import Definition

from .test_generated_python import foreign, hostile
from .written_code import definitions_of, document, read

TYPESCRIPT = "typescript@5.9.3"
PATIENCE_S = 120

WORDS = frozenset(
    {
        "AtollCommand", "AtollEvent", "AtollMessage", "Data", "Name", "Version", "boolean", "command",
        "correlationId", "data", "eventType", "export", "extends", "false", "id", "interface", "key", "null",
        "number", "serviceId", "string", "timestamp", "true", "type", "unknown", "version",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    sku: str
    price: Decimal


@dataclass(frozen=True)
class Billed:
    """Ends a comment */ and begins another /* one."""

    type: ClassVar[str] = "invoice.billed"
    invoice_id: UUID
    at: datetime
    lines: list[Line]
    state: Literal["open", "paid"]
    note: str | None
    either: list[int | str]
    prices: dict[str, Decimal]
    any: Any = None
    class_: bool = field(default=True, metadata={"wire": "new"})
    other: int = field(default=1, metadata={"wire": 'a "name"'})


@dataclass(frozen=True)
class Ask:
    command: ClassVar[str] = "ask.thing"
    to: ClassVar[str] = "other-service"
    version: ClassVar[int] = 2
    level: Literal[1, 2, True]


def written(definitions: list[Definition]) -> str:
    return typescript_code.module(read(document(definitions)).definitions, made_from="their.json")


@pytest.fixture(scope="module")
def tsc(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed, so the compiler cannot be had")
    place = tmp_path_factory.mktemp("typescript")
    install = [
        "npm",
        "install",
        "--silent",
        "--no-save",
        "--ignore-scripts",
        "--prefix",
        str(place),
        TYPESCRIPT,
    ]
    try:
        subprocess.run(install, cwd=place, check=True, capture_output=True, timeout=PATIENCE_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"{TYPESCRIPT} cannot be installed here")
    return ["node", str(place / "node_modules" / "typescript" / "bin" / "tsc"), "--strict", "--noEmit"]


def complaints(tsc: list[str], folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.ts").write_text(text)
    done = subprocess.run(
        [*tsc, *(f"{name}.ts" for name in files)], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines()


def used(name: str, values: list[Any]) -> str:
    lines = [f"const value_{number}: {name} = {json.dumps(value)};" for number, value in enumerate(values)]
    return "\n".join([f'import type {{ {name} }} from "./types";', *lines])


def test_the_compiler_takes_the_types_and_data_that_fit(tsc: list[str], tmp_path: Path) -> None:
    (ask,) = definitions_of(Ask)
    (billed,) = definitions_of(Billed)
    text = written([ask, billed])
    bodies = [
        {"eventType": "invoice.billed", "data": data | {"timestamp": "2026-11-29T04:00:00.000Z"}}
        for data in examples(billed.schema)
    ]
    asked = {"command": "ask.thing", "version": 2, "data": {"level": 2, "timestamp": "2026-11-29T04:00:00Z"}}
    data = [{key: item for key, item in body["data"].items() if key != "timestamp"} for body in bodies]
    uses = {
        "types": text,
        "data": used("InvoiceBilled", data),
        "bodies": used("InvoiceBilledBody", bodies),
        "asks": used("AskThingBody", [asked]),
    }
    assert complaints(tsc, tmp_path, **uses) == []


@pytest.mark.parametrize(
    "change",
    [{"invoiceId": 1}, {"state": "lost"}, {"lines": [{"sku": "a"}]}, {"unknown": 1}, {"either": [None]}],
)
def test_the_compiler_refuses_data_that_does_not_fit(
    tsc: list[str], tmp_path: Path, change: dict[str, Any]
) -> None:
    (billed,) = definitions_of(Billed)
    data = {**examples(billed.schema)[0], **change}
    del data["timestamp"]
    found = complaints(tsc, tmp_path, types=written([billed]), wrong=used("InvoiceBilled", [data]))
    assert found
    assert all(line.startswith(("wrong.ts(2,", " ")) for line in found)


def test_a_version_above_1_must_be_told(tsc: list[str], tmp_path: Path) -> None:
    body = {"command": "ask.thing", "data": {"level": 1, "timestamp": "x"}}
    found = complaints(tsc, tmp_path, types=written(definitions_of(Ask)), wrong=used("AskThingBody", [body]))
    assert "Property 'version' is missing" in "".join(found)


NAMES = ["array", "date", "object", "promise", "record", "error", "x.body", "x", "9", "atoll-event", "y_"]


def test_the_compiler_takes_names_of_its_own(tsc: list[str], tmp_path: Path) -> None:
    (billed,) = definitions_of(Billed)
    texts = ["*/ const x = 1; /*", '"', "\\", "\u2028", "__proto__", "new", "readonly", "é", "a\nb", "`${x}`"]
    schema = {
        "type": "object",
        "title": "*/",
        "properties": {text: {"type": "string", "enum": texts} for text in texts},
        "required": texts,
    }
    found = [
        Definition(
            kind="event", name=name, version=1, schema=schema, service="*/", summary="*/ export const y = 1;"
        )
        for name in NAMES
    ]
    text = written([billed, *found])
    assert complaints(tsc, tmp_path, types=text) == []
    assert_types_alone(text)


def assert_types_alone(text: str) -> None:
    """Outside of comments and quoted texts there are only types and names of these types and of fields."""
    bare = re.sub(r'/\*\*.*?\*/|"(?:[^"\\]|\\.)*"', "", text)
    assert re.fullmatch(r"[A-Za-z0-9_\s{}\[\]():;|&?=<>,.-]*", bare), bare
    own = set(re.findall(r"^export (?:interface|type) (\w+)", bare, re.MULTILINE))
    keys = set(re.findall(r"^  (\w+)\??:", bare, re.MULTILINE))
    assert set(re.findall(r"[A-Za-z_]\w*", bare)) <= WORDS | own | keys
    lines = [line for line in bare.splitlines() if line]
    assert all(line.startswith(("export interface ", "export type ", "  ", "}")) for line in lines)


@settings(max_examples=80, deadline=None)
@given(found=foreign, source=hostile)
def test_no_foreign_text_becomes_code(found: list[Definition], source: str) -> None:
    assert_types_alone(typescript_code.module(read(document(found)).definitions, made_from=source))


def test_code_that_is_no_type_would_be_found() -> None:
    for text in ("export const x = 1;", "import 'x';", "export interface A {\n  a: string;\n}\nalert(1);"):
        with pytest.raises(AssertionError):
            assert_types_alone(text)
