"""Checks that every handler can read its messages, in each version that can still arrive."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.bus.schemas.evolution import describe
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
    """Example data of an old version, which the handler's own process upcasts and reads."""

    service: str
    handler: str
    name: str
    version: int
    data: dict[str, Any]


def definitions_for(
    definitions: Iterable[Definition], service: str, subscription: Subscription
) -> list[Definition]:
    """Return the definitions of the messages that a subscription receives."""
    return [
        definition
        for definition in definitions
        if definition.kind == subscription.kind
        and matches(subscription.name, definition.name)
        and definition.to in ("", service)
    ]


def incompatibilities(projects: Iterable[ServiceMessages], definitions: list[Definition]) -> list[str]:
    """Return the problems of handlers that cannot read a message and of commands without a handler.

    ``trials`` covers the messages that upcasters convert.
    """
    projects = list(projects)
    found: list[str] = []
    for project in projects:
        for subscription in project.reads:
            for definition in definitions_for(definitions, project.service, subscription):
                if subscription.schema is not None and not upcasts(project, subscription, definition):
                    found += _unreadable(definition, project.service, subscription)
    return found + list(_unheard(projects, definitions))


def trials(projects: Iterable[ServiceMessages], definitions: list[Definition]) -> list[Trial]:
    """Return examples of all messages that upcasters convert."""
    return [
        Trial(
            service=project.service,
            handler=subscription.handler,
            name=definition.name,
            version=definition.version,
            data=data,
        )
        for project in projects
        for subscription in project.reads
        for definition in definitions_for(definitions, project.service, subscription)
        if upcasts(project, subscription, definition)
        for data in examples(definition.schema)
    ]


def upcasts(project: ServiceMessages, subscription: Subscription, definition: Definition) -> bool:
    """Whether an upcaster runs between the definition's version and the subscription's version."""
    steps = project.upcasts.get(definition.name, [])
    return any(definition.version <= step < subscription.version for step in steps)


def _unreadable(definition: Definition, service: str, subscription: Subscription) -> list[str]:
    whom = f"{service} reads {definition} in {subscription.handler} as {subscription.payload}"
    gaps = list(mismatches(definition.schema, subscription.schema or {}, "data"))
    if gaps and definition.version < subscription.version:
        gaps[-1] += f' (there is no `@upcast("{definition.name}", from_version={definition.version})`)'
    return [f"{whom}: {gap}" for gap in gaps]


def _unheard(projects: list[ServiceMessages], definitions: list[Definition]) -> Iterator[str]:
    """Report commands that the addressed service does not handle. It would quarantine them."""
    handled = {
        (project.service, subscription.name)
        for project in projects
        for subscription in project.reads
        if subscription.kind == "command"
    }
    services = {project.service for project in projects}
    for definition in definitions:
        known = definition.to in services and not definition.superseded
        if known and (definition.to, definition.name) not in handled:
            yield f"{definition.service} sends {definition} to {definition.to}, where nothing handles it"


def mismatches(offered: Schema, wanted: Schema, where: str) -> Iterator[str]:
    """Report how a document that is valid under ``offered`` can break a reader of ``wanted``."""
    if not wanted:
        return
    accepted = alternatives(wanted)
    for choice in alternatives(offered):
        gaps = [list(_mismatches_of_one(choice, alternative, where)) for alternative in accepted]
        if all(gaps):
            # The problem with an alternative of the same type explains most.
            closest = [
                gap
                for gap, alternative in zip(gaps, accepted, strict=True)
                if alternative.get("type") == choice.get("type")
            ]
            yield from (closest or gaps)[0]


def alternatives(schema: Schema) -> list[Schema]:
    """Return the schemas of which data under ``schema`` fits at least one; each has at most one type."""
    if "anyOf" in schema:
        return [each for choice in schema["anyOf"] for each in alternatives(choice)]
    if isinstance(schema.get("type"), list):
        return [schema | {"type": each} for each in schema["type"]]
    return [schema]


def _mismatches_of_one(offered: Schema, wanted: Schema, where: str) -> Iterator[str]:
    if not wanted:
        return
    if not _same_kind(offered, wanted):
        yield f"`{where}` must be {describe(wanted)} and is {describe(offered)}"
    elif "properties" in wanted:
        yield from _mismatches_of_fields(offered, wanted, where)
    elif wanted.get("type") == "object":
        names = wanted.get("propertyNames", {})
        if names and names != offered.get("propertyNames"):
            yield f"the keys of `{where}` must be {describe(names)}"
        for name, schema in offered.get("properties", {}).items():
            yield from mismatches(schema, wanted.get("additionalProperties", {}), f"{where}.{name}")
        if "additionalProperties" in offered:
            entries = offered["additionalProperties"], wanted.get("additionalProperties", {})
            yield from mismatches(*entries, f"{where}.*")
    elif wanted.get("type") == "array":
        yield from mismatches(offered["items"], wanted["items"], f"{where}[]")


def _mismatches_of_fields(offered: Schema, wanted: Schema, where: str) -> Iterator[str]:
    given = offered.get("properties", {})
    certain = set(offered.get("required", ()))
    needed = set(wanted.get("required", ()))
    for name, schema in wanted["properties"].items():
        path = f"{where}.{name}"
        if name in given:
            yield from mismatches(given[name], schema, path)
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
    """Return valid data of a schema: one example with the required fields only, and one with all fields
    for each alternative."""
    least = _example(schema, 0, whole=False)
    full = [_example(schema, pick, whole=True) for pick in range(_widest(schema))]
    made: list[dict[str, Any]] = []
    for data in [least, *full]:
        if data not in made:
            made.append(data)
    return made


def _example(schema: Schema, pick: int, *, whole: bool) -> Any:
    choices = alternatives(schema)
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
    """Return the largest number of alternatives or enum values at one place of the schema."""
    inner = [choice for choice in alternatives(schema) if choice is not schema and "anyOf" in schema]
    inner += [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    own = max(len(alternatives(schema)), len(schema.get("enum", ())))
    return max([own, *map(_widest, inner)])
