"""Print, as JSON, what one project publishes, sends and handles. Run as a script, one process a project.

Shapes are JSON types by wire name: ``{"orderId": "uuid", "items": [{"quantity": "integer"}]}``;
a field the consumer can do without ends in ``?``.
"""

import dataclasses
import importlib
import json
import os
import sys
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

SCALARS = {UUID: "uuid", str: "string", int: "integer", Decimal: "number", float: "number", bool: "boolean",
           datetime: "time", date: "date"}  # fmt: skip


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def shape(annotation: Any) -> Any:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return shape(next(arg for arg in typing.get_args(annotation) if arg is not type(None)))
    if origin in (list, tuple, frozenset, set):
        return [shape(typing.get_args(annotation)[0])]
    if origin is dict or annotation is dict:
        return "object"
    if dataclasses.is_dataclass(annotation):
        return fields(typing.cast(type, annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "string"
    return SCALARS.get(annotation, "any")


def optional(field: "dataclasses.Field[Any]", annotation: Any) -> bool:
    has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    return has_default or type(None) in typing.get_args(annotation)


def fields(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {
        camel(field.name) + ("?" if optional(field, hints[field.name]) else ""): shape(hints[field.name])
        for field in dataclasses.fields(cls)
    }


def describe(project_name: str) -> dict[str, Any]:
    from atoll import conf

    project = conf.project(project_name)
    os.environ["DJANGO_SETTINGS_MODULE"] = project.settings_module
    import django

    django.setup()
    from atoll.bus import registry

    events = importlib.import_module(f"{project.package}.events")
    announced = [item for item in vars(events).values() if dataclasses.is_dataclass(item)]
    return {
        "service": project.service,
        "publishes": {item.type: fields(item) for item in announced if hasattr(item, "type")},
        "sends": {
            # A command without an address is one the service schedules for itself.
            f"{getattr(item, 'to', None) or project.service}/{item.command}": fields(item)
            for item in announced
            if hasattr(item, "command")
        },
        "handles": [
            {"kind": handler.kind, "name": handler.name, "shape": fields(handler.payload_type)}
            for handler in registry.handlers()
        ],
    }


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1])))
