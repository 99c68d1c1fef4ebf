"""Imports generated code, and documents to generate it from."""

import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from atoll.bus.schemas import asyncapi, definitions, foreign_document
from atoll.bus.schemas.definitions import Definition, ServiceMessages
from atoll.bus.schemas.foreign_document import ForeignDocument


def definitions_of(*classes: type, service: str = "shop-service") -> list[Definition]:
    """The definitions of payload classes, as if one ``events.py`` had them."""
    module = ModuleType("events_of_a_test")
    for number, cls in enumerate(classes):
        cls.__module__ = module.__name__
        setattr(module, f"{cls.__name__}{number}", cls)
    return definitions.announced([module], service)


def document(found: Iterable[Definition], projects: Iterable[ServiceMessages] = ()) -> dict[str, Any]:
    return asyncapi.document(projects, found)


def read(made: dict[str, Any]) -> ForeignDocument:
    return foreign_document.read(asyncapi.to_json(made).encode(), "their.json")


@contextmanager
def imported(text: str, folder: Path, name: str = "written_events") -> Iterator[ModuleType]:
    """The module, which ``sys.modules`` has until the end, since annotations are looked up there."""
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
