"""The classes that code in another language needs for a document's messages, with a name for each.

Names come from a document that is not trusted. Each name here is an identifier of letters, digits and
underscores; names of fields and texts stay as they are, and the writers quote them.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from atoll.bus.schemas.compatibility import alternatives
from atoll.bus.schemas.definitions import SENT_AT, Definition
from atoll.bus.schemas.json_schema import Schema

TITLE = re.compile(r"[A-Z][A-Za-z0-9_]{0,59}")
MAX_NAME = 60


@dataclass(frozen=True)
class Member:
    """A field by its name on the wire."""

    key: str
    schema: Schema
    required: bool


@dataclass(frozen=True)
class Structure:
    """One class; ``definition`` is the message whose data it is, or None for an object inside of others."""

    name: str
    members: list[Member]
    definition: Definition | None = None


class Model:
    """Structures in an order in which each comes after those that it holds."""

    def __init__(
        self, definitions: Iterable[Definition], taken: Collection[str], *, also: Collection[str] = ("",)
    ) -> None:
        """``taken`` are the names that the language or the written file needs itself. A message takes its
        name with each ending of ``also``."""
        self.structures: list[Structure] = []
        self._also = also
        self._names = set(taken)
        self._by_schema: dict[str, str] = {}
        # Messages choose first; of several versions the newest has the plain name.
        ordered = sorted(definitions, key=lambda one: (*one.message, -one.version))
        plain: set[Any] = set()
        named: list[tuple[str, Definition]] = []
        for definition in ordered:
            suffix = f"_v{definition.version}" if definition.message in plain else ""
            plain.add(definition.message)
            wanted = _words(definition.name) + _words(suffix)
            if wanted in self._names and definition.to:
                wanted += f"To{_words(definition.to)}"
            named.append((self._take(wanted, "Message"), definition))
        for name, definition in sorted(named, key=lambda pair: pair[1].key):
            members = self._members(definition.schema, name)
            sent_at = [one for one in members if one.key in SENT_AT]
            self.structures.append(
                Structure(name, [one for one in members if one not in sent_at], definition)
            )

    def name_of(self, schema: Schema) -> str:
        """The name of the class of an object with ``properties``."""
        return self._by_schema[_canonical(schema)]

    def _members(self, schema: Schema, owner: str) -> list[Member]:
        required = set(schema.get("required", ()))
        found = [Member(key, inner, key in required) for key, inner in schema["properties"].items()]
        for member in found:
            self._visit(member.schema, owner + _words(member.key))
        return found

    def _visit(self, schema: Schema, wanted: str) -> None:
        for one in alternatives(schema):
            for keyword in ("items", "additionalProperties", "propertyNames"):
                if keyword in one:
                    self._visit(one[keyword], wanted)
            if is_structure(one) and _canonical(one) not in self._by_schema:
                title = one.get("title", "")
                name = self._take(title if TITLE.fullmatch(title) else wanted, "Object")
                self._by_schema[_canonical(one)] = name
                self.structures.append(Structure(name, self._members(one, name)))

    def _take(self, wanted: str, kind: str) -> str:
        wanted = wanted[:MAX_NAME]
        if not TITLE.fullmatch(wanted) or wanted in self._names:
            wanted = f"{wanted}{kind}" if TITLE.fullmatch(wanted) else f"{kind}{wanted}"[:MAX_NAME]
        return unique(wanted, self._names, self._also)


def is_structure(schema: Schema) -> bool:
    return schema.get("type") == "object" and "properties" in schema and "enum" not in schema


def unique(wanted: str, taken: set[str], also: Collection[str] = ("",)) -> str:
    """``wanted``, or with a number when it is taken; adds it to ``taken``, with each ending of ``also``."""
    name, number = wanted, 2
    while any(f"{name}{ending}" in taken for ending in also):
        name, number = f"{wanted}_{number}", number + 1
    taken |= {f"{name}{ending}" for ending in also}
    return name


def _words(text: str) -> str:
    """``order.created`` → ``OrderCreated``; only ASCII letters and digits stay."""
    return "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", text))


def _canonical(schema: Schema) -> str:
    """The same text for the same class: the default of one place that holds it does not count."""
    bare = {keyword: value for keyword, value in schema.items() if keyword != "default"}
    return json.dumps(bare, sort_keys=True, default=str)
