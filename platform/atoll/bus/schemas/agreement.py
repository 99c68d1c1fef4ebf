"""Whether every handler can read what is announced to it, in each version that may still arrive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from atoll.bus.schemas.definitions import Definition, Messages, Reading
from atoll.bus.schemas.evolution import described
from atoll.bus.schemas.json_schema import Schema
from atoll.bus.topic_match import matches

EXAMPLES = {
    "uuid": "01a2061b-478a-7783-8423-c46ab3baa7a8",
    "date-time": "2026-11-23T10:00:00.000Z",
    "date": "2026-11-23",
    "string": "text",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "null": None,
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """An example of an old version, for the handler's own process to upcast and read."""

    service: str
    handler: str
    name: str
    version: int
    data: dict[str, Any]


def read_by(definitions: Iterable[Definition], service: str, reading: Reading) -> list[Definition]:
    """What arrives at a handler."""
    return [
        definition
        for definition in definitions
        if definition.kind == reading.kind
        and matches(reading.name, definition.name)
        and definition.to in ("", service)
    ]


def disagreements(projects: Iterable[Messages], definitions: list[Definition]) -> list[str]:
    """What handlers need and are not given; what they upcast is left to ``trials``."""
    projects = list(projects)
    found: list[str] = []
    for project in projects:
        for reading in project.reads:
            for definition in read_by(definitions, project.service, reading):
                if reading.schema is not None and not upcasts(project, reading, definition):
                    found += _unreadable(definition, project.service, reading)
    return found + list(_unheard(projects, definitions))


def trials(projects: Iterable[Messages], definitions: list[Definition]) -> list[Trial]:
    """Examples of everything that a handler upcasts before it reads it."""
    return [
        Trial(
            service=project.service,
            handler=reading.handler,
            name=definition.name,
            version=definition.version,
            data=data,
        )
        for project in projects
        for reading in project.reads
        for definition in read_by(definitions, project.service, reading)
        if upcasts(project, reading, definition)
        for data in examples(definition.schema)
    ]


def upcasts(project: Messages, reading: Reading, definition: Definition) -> bool:
    """Whether an upcaster runs on the way from what is announced to what is read."""
    steps = project.upcasts.get(definition.name, [])
    return any(definition.version <= step < reading.version for step in steps)


def _unreadable(definition: Definition, service: str, reading: Reading) -> list[str]:
    whom = f"{service} reads {definition} in {reading.handler} as {reading.payload}"
    gaps = list(unmet(definition.schema, reading.schema or {}, "data"))
    if gaps and definition.version < reading.version:
        gaps[-1] += f' (there is no `@upcast("{definition.name}", from_version={definition.version})`)'
    return [f"{whom}: {gap}" for gap in gaps]


def _unheard(projects: list[Messages], definitions: list[Definition]) -> Iterator[str]:
    """Commands to a service of the platform that nothing there handles; such a message is quarantined."""
    handled = {
        (project.service, reading.name)
        for project in projects
        for reading in project.reads
        if reading.kind == "command"
    }
    services = {project.service for project in projects}
    for definition in definitions:
        known = definition.to in services and not definition.superseded
        if known and (definition.to, definition.name) not in handled:
            yield f"{definition.service} sends {definition} to {definition.to}, where nothing handles it"


def unmet(offered: Schema, wanted: Schema, where: str) -> Iterator[str]:
    """What a document valid under ``offered`` can lack of what a reader of ``wanted`` needs."""
    if not wanted:
        return
    accepted = _alternatives(wanted)
    for choice in _alternatives(offered):
        gaps = [list(_unmet_one(choice, alternative, where)) for alternative in accepted]
        if all(gaps):
            # Where the reader has one way to read it, or one of the same kind, its complaint says most.
            closest = [
                gap
                for gap, alternative in zip(gaps, accepted, strict=True)
                if alternative.get("type") == choice.get("type")
            ]
            yield from (closest or gaps)[0]


def _alternatives(schema: Schema) -> list[Schema]:
    if "anyOf" in schema:
        return [each for choice in schema["anyOf"] for each in _alternatives(choice)]
    if isinstance(schema.get("type"), list):
        return [schema | {"type": each} for each in schema["type"]]
    return [schema]


def _unmet_one(offered: Schema, wanted: Schema, where: str) -> Iterator[str]:
    if not wanted:
        return
    if not _same_kind(offered, wanted):
        yield f"`{where}` must be {described(wanted)} and is {described(offered)}"
    elif "properties" in wanted:
        yield from _unmet_fields(offered, wanted, where)
    elif wanted.get("type") == "object":
        names = wanted.get("propertyNames", {})
        if names and names != offered.get("propertyNames"):
            yield f"the keys of `{where}` must be {described(names)}"
        for name, schema in offered.get("properties", {}).items():
            yield from unmet(schema, wanted.get("additionalProperties", {}), f"{where}.{name}")
        if "additionalProperties" in offered:
            entries = offered["additionalProperties"], wanted.get("additionalProperties", {})
            yield from unmet(*entries, f"{where}.*")
    elif wanted.get("type") == "array":
        yield from unmet(offered["items"], wanted["items"], f"{where}[]")


def _unmet_fields(offered: Schema, wanted: Schema, where: str) -> Iterator[str]:
    given = offered.get("properties", {})
    certain = set(offered.get("required", ()))
    needed = set(wanted.get("required", ()))
    for name, schema in wanted["properties"].items():
        path = f"{where}.{name}"
        if name in given:
            yield from unmet(given[name], schema, path)
        if name in needed and name not in certain:
            yield f"`{path}` is needed and {'may be missing' if name in given else 'is never sent'}"


def _same_kind(offered: Schema, wanted: Schema) -> bool:
    if "enum" in wanted:
        return bool(offered.get("enum")) and set(map(repr, offered["enum"])) <= set(map(repr, wanted["enum"]))
    kind, needs = offered.get("type"), wanted.get("type")
    if needs == "number":
        return kind in ("number", "integer")
    if needs == "string" and "format" in wanted:
        return kind == "string" and offered.get("format") == wanted["format"]
    return kind == needs


def examples(schema: Schema) -> list[dict[str, Any]]:
    """Data that is valid under a schema: the least there can be, and all of it in each alternative."""
    least = _example(schema, 0, whole=False)
    full = [_example(schema, pick, whole=True) for pick in range(_widest(schema))]
    made: list[dict[str, Any]] = []
    for data in [least, *full]:
        if data not in made:
            made.append(data)
    return made


def _example(schema: Schema, pick: int, *, whole: bool) -> Any:
    choices = _alternatives(schema)
    chosen = choices[pick % len(choices)]
    if "enum" in chosen:
        return chosen["enum"][pick % len(chosen["enum"])]
    if chosen.get("type") == "object":
        required = chosen.get("required", ())
        return {
            name: _example(inner, pick, whole=whole)
            for name, inner in chosen.get("properties", {}).items()
            if whole or name in required
        }
    if chosen.get("type") == "array":
        return [_example(chosen["items"], pick, whole=True)] if whole else []
    return EXAMPLES.get(chosen.get("format", ""), EXAMPLES.get(chosen.get("type", "null")))


def _widest(schema: Schema) -> int:
    """The most alternatives or enum values at one place."""
    inner = [choice for choice in _alternatives(schema) if choice is not schema and "anyOf" in schema]
    inner += [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    own = max(len(_alternatives(schema)), len(schema.get("enum", ())))
    return max([own, *map(_widest, inner)])
