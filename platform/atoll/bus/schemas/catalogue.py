"""The definitions of all projects together: one of each, older versions kept."""

from collections.abc import Iterable
from dataclasses import replace

from atoll.bus.schemas.definitions import Definition, Messages, plain, superseded_by
from atoll.errors import Misuse


def definitions(projects: Iterable[Messages], earlier: Iterable[Definition]) -> list[Definition]:
    """What is announced, here or by declared outsiders, and what was announced in an older version.

    A message that several services define may be announced by the senders of each.
    Raises Misuse when two services define one version of a message differently.
    """
    projects = sorted(projects, key=lambda project: project.service)
    found: dict[object, Definition] = {}
    for project in projects:
        for definition in project.announces:
            held = found.get(definition.key, definition)
            if plain(held.schema) != plain(definition.schema):
                raise Misuse(f"{held.service} and {definition.service} define {definition} differently.")
            found[definition.key] = _together(held, definition)
    current = list(found.values())
    old = [replace(definition, senders=definition.announcers) for definition in earlier]
    return current + superseded_by(current, old)


def _together(held: Definition, other: Definition) -> Definition:
    """As its announcer defines it, where one of the two is that."""
    chosen = other if held.foreign and not other.foreign else held
    return replace(chosen, senders=sorted({*held.announcers, *other.announcers}))
