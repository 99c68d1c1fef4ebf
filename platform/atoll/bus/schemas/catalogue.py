"""The definitions of all projects together, each once, including older versions."""

from collections.abc import Iterable
from dataclasses import replace

from atoll.bus.schemas.definitions import Definition, ServiceMessages, normalized, superseded
from atoll.errors import Misuse


def definitions(projects: Iterable[ServiceMessages], earlier: Iterable[Definition]) -> list[Definition]:
    """Return the definitions of all projects, of their declared foreign producers, and of older versions.

    The senders of a message that several services define are the senders of all of them.
    Raises Misuse when two services define one version of a message differently.
    """
    projects = sorted(projects, key=lambda project: project.service)
    found: dict[object, Definition] = {}
    for project in projects:
        for definition in project.announces:
            held = found.get(definition.key, definition)
            if normalized(held.schema) != normalized(definition.schema):
                raise Misuse(f"{held.service} and {definition.service} define {definition} differently.")
            found[definition.key] = _merge(held, definition)
    current = list(found.values())
    old = [replace(definition, senders=definition.announcers) for definition in earlier]
    return current + superseded(current, old)


def _merge(held: Definition, other: Definition) -> Definition:
    """Prefer the definition of a service that announces the message to a foreign one."""
    chosen = other if held.foreign and not other.foreign else held
    return replace(chosen, senders=sorted({*held.announcers, *other.announcers}))
