"""The messages of the reference system, written as code for another team, are the same messages."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from atoll import conf, wire
from atoll.bus.contracts import DOCUMENT
from atoll.bus.schemas import definitions, document_source, exchange, json_schema
from atoll.bus.schemas.compatibility import examples
from atoll.bus.schemas.definitions import Definition, normalized
from atoll.cli.asyncapi import services

SOURCE = str(conf.root() / DOCUMENT)
MODULES = [
    importlib.import_module(f"{project.package}.events")
    for project in conf.projects().values()
    if project.worker and importlib.util.find_spec(f"{project.package}.events")
]
KNOWN = document_source.document(SOURCE).definitions


def class_of(modules: list[ModuleType], definition: Definition) -> type | None:
    variable = "type" if definition.kind == "event" else "command"
    found = [
        cls
        for cls in definitions.classes(modules)
        if getattr(cls, variable, None) == definition.name
        and getattr(cls, "version", 1) == definition.version
        and getattr(cls, "to", None) in (None, definition.to)
    ]
    return found[0] if found else None


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    path: Path = tmp_path_factory.mktemp("written") / "atoll_messages.py"
    path.write_text(exchange.generated("python", KNOWN, made_from=SOURCE))
    spec = importlib.util.spec_from_file_location("atoll_messages", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["atoll_messages"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["atoll_messages"]


@pytest.mark.parametrize("definition", KNOWN, ids=str)
def test_a_message_has_the_schema_and_the_data_of_its_class(written: ModuleType, definition: Definition):
    cls = class_of([written], definition)
    assert cls is not None
    schema: dict[str, Any] = json_schema.of_class(cls)
    schema["properties"] |= definitions.SENT_AT
    schema["required"] = [*schema.get("required", []), *definitions.SENT_AT]
    assert normalized(schema) == normalized(definition.schema)
    original = class_of(MODULES, definition)
    assert original or definition.superseded
    for data in examples(definition.schema):
        made = wire.checked_payload(wire.from_payload(cls, data))
        # Writing completes the data with the defaults.
        assert wire.checked_payload(wire.from_payload(cls, made)) == made
        if original:
            assert made == wire.checked_payload(wire.from_payload(original, data))


def test_the_system_fits_its_own_document():
    described = services.described()
    lines, is_good = exchange.against(described.projects, SOURCE, described.try_out)
    assert (lines[:-1], is_good) == ([], True)
