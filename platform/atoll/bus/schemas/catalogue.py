"""The definitions of all projects together: one of each, older versions kept, foreign ones added."""

from collections.abc import Iterable
from dataclasses import replace

from atoll.bus.match import is_pattern
from atoll.bus.schemas.agreement import read_by
from atoll.bus.schemas.definitions import Definition, Messages, plain, superseded_by
from atoll.errors import Misuse


def definitions(projects: Iterable[Messages], earlier: Iterable[Definition]) -> list[Definition]:
    """What is announced, what was announced in an older version, and what only outsiders announce.

    Raises Misuse when two services announce one version of a message differently.
    """
    projects = sorted(projects, key=lambda project: project.service)
    found: dict[object, Definition] = {}
    for project in projects:
        for definition in project.announces:
            held = found.setdefault(definition.key, definition)
            if plain(held.schema) != plain(definition.schema):
                raise Misuse(f"{held.service} and {definition.service} define {definition} differently.")
    announced = list(found.values())
    current = announced + _foreign(projects, announced)
    return current + superseded_by(current, earlier)


def _foreign(projects: list[Messages], known: list[Definition]) -> list[Definition]:
    """What handlers read and nobody of the platform announces, as the first of them reads it."""
    found: dict[object, Definition] = {}
    for project in projects:
        for reading in project.reads:
            if is_pattern(reading.name) or read_by(known, project.service, reading):
                continue
            definition = Definition(
                kind=reading.kind,
                name=reading.name,
                version=reading.version,
                schema=reading.schema or {"type": "object"},
                service=project.service,
                to=project.service if reading.kind == "command" else "",
                deprecated=reading.deprecated,
                foreign=True,
            )
            found.setdefault(
                definition.key,
                replace(definition, summary=f"Announced outside; as {project.service} reads it."),
            )
    return list(found.values())
