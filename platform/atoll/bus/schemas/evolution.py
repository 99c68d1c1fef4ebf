"""Checks that a change of definitions does not break waiting messages and running programs.

The schema of a published version is fixed: a change may only add an optional field. Any
other change needs a new version.
"""

from collections.abc import Iterable, Iterator

from atoll.bus.schemas.definitions import Definition, normalized
from atoll.bus.schemas.json_schema import Schema

ADVICE = (
    "Only an optional field (one with a default) may be added to a version. Raise `version` in the class "
    'and give every service that reads it an `@upcast("{name}", from_version={version})`, or undo the change.'
)


def breaking_changes(old: Iterable[Definition], new: Iterable[Definition]) -> list[str]:
    """Return the breaking changes between the old and the new definitions, each with advice."""
    new = list(new)
    found: list[str] = []
    for before in old:
        # A foreign declaration does not replace the definition of a service that announced the message.
        held = [
            item for item in new if item.message == before.message and (before.foreign or not item.foreign)
        ]
        after = next((item for item in held if item.version == before.version), None)
        if after is None:
            found += _gone(before, max((item.version for item in held), default=None))
            continue
        if before.foreign and not after.foreign:
            continue
        advice = ADVICE.format(name=before.name, version=before.version)
        changes = list(
            _changes(normalized(before.schema), normalized(after.schema), "data", reader=before.foreign)
        )
        found += [f"{before}: {change}. {advice}" for change in changes]
    return found


def _gone(before: Definition, newest: int | None) -> list[str]:
    if before.deprecated or before.superseded:
        return []
    if before.foreign and before.kind == "event":
        return []
    if newest is None:
        return [
            f"{before} is defined no more. Whoever listens outside this repository would never know: first "
            "release it with `deprecated: ClassVar[bool] = True` in its class, then remove it."
        ]
    if newest < before.version:
        return [f"{before} became version {newest}. Versions only go up."]
    return [
        f"{before} is missing beside version {newest}: messages of it may still wait. Let "
        "`manage.py asyncapi` list it as superseded; a later change may drop it."
    ]


def _changes(old: Schema, new: Schema, where: str, *, reader: bool) -> Iterator[str]:
    """Report differences other than a new optional field. A ``reader`` may also require less."""
    if old == new:
        return
    if "properties" in old and "properties" in new:
        yield from _fields(old, new, where, reader=reader)
        old, new = _without_fields(old), _without_fields(new)
    elif old.get("type") == new.get("type") == "array":
        yield from _changes(old["items"], new["items"], f"{where}[]", reader=reader)
        return
    elif "anyOf" in old and "anyOf" in new and len(old["anyOf"]) == len(new["anyOf"]):
        for before, after in zip(old["anyOf"], new["anyOf"], strict=True):
            yield from _changes(before, after, where, reader=reader)
        return
    if old != new:
        yield f"`{where}` was {describe(old)} and is {describe(new)}"


def _fields(old: Schema, new: Schema, where: str, *, reader: bool) -> Iterator[str]:
    before, after = old["properties"], new["properties"]
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name in before:
        path = f"{where}.{name}"
        if name not in after:
            if not reader:
                yield f"`{path}` is gone"
            continue
        yield from _changes(before[name], after[name], path, reader=reader)
        if name in needs - needed:
            yield f"`{path}` was optional and is required"
        if name in needed - needs and not reader:
            yield f"`{path}` was required and is optional"
    for name in after:
        if name not in before and name in needs:
            yield f"`{where}.{name}` is new and required, but messages without it are under way"


def _without_fields(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in ("properties", "required")}


def describe(schema: Schema) -> str:
    """Return a short description of a schema for error texts."""
    if "anyOf" in schema:
        return " or ".join(describe(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    types = schema.get("type", "anything")
    if isinstance(types, list):
        return " or ".join(describe(schema | {"type": each}) for each in types)
    if types == "array":
        return f"an array of {describe(schema['items'])}"
    if types == "object" and schema.get("additionalProperties"):
        return f"an object of {describe(schema['additionalProperties'])}"
    return str(types if types == "null" else schema.get("format", types))
