"""Whether every name that a project uses is one that somebody defines, and which one was meant."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from atoll.bus.schemas.agreement import read_by
from atoll.bus.schemas.definitions import Definition, Messages, Reading
from atoll.bus.topic_match import is_pattern

FOREIGN = (
    "If a program outside of the platform announces it, declare that with `senders` in events.py "
    "(docs/messages.md, foreign producers)."
)


def unknown(project: Messages, definitions: Iterable[Definition], services: Collection[str]) -> list[str]:
    """What a project reads, sends or upcasts under a name that nobody defines; ``services`` are all
    of the platform, by their names on the wire."""
    known = list(definitions)
    return [
        *_read(project, known),
        *_upcast(project, known),
        *(problem for one in project.announces for problem in _addressed(project.service, one, services)),
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known name most like this one; empty when none is like it."""
    found = get_close_matches(name, sorted(set(known)), n=1)
    return f"Did you mean {found[0]}?" if found else ""


def events(definitions: Iterable[Definition]) -> set[str]:
    return {definition.name for definition in definitions if definition.kind == "event"}


def _read(project: Messages, known: list[Definition]) -> Iterator[str]:
    for reading in project.reads:
        if read_by(known, project.service, reading):
            continue
        whom = f"{project.service} reads {reading.name} in {reading.handler}"
        if reading.kind == "command":
            meant = nearest(reading.name, (item.name for item in known if item.to == project.service))
            yield _sentences(f"{whom}, and nobody sends that command to it.", meant, FOREIGN)
        elif is_pattern(reading.name):
            meant = nearest(reading.name, _alike(reading, known))
            yield _sentences(f"{whom}, and no known event matches that pattern.", meant, FOREIGN)
        else:
            meant = nearest(reading.name, events(known))
            yield _sentences(f"{whom}, and nobody announces that event.", meant, FOREIGN)


def _upcast(project: Messages, known: list[Definition]) -> Iterator[str]:
    names = {definition.name for definition in known if definition.to in ("", project.service)}
    for name in project.upcasts:
        if name not in names:
            said = f"{project.service} has an upcaster for {name}, which no event and no command is called."
            yield _sentences(said, nearest(name, names))


def _addressed(service: str, definition: Definition, services: Collection[str]) -> Iterator[str]:
    if definition.kind == "command" and definition.outside == (definition.to in services):
        said = f"{service} sends {definition} to {definition.to}"
        if definition.outside:
            yield f"{said}, which is a service of the platform: remove `outside` from its class."
        else:
            yield _sentences(
                f"{said}, and no service is called so.",
                nearest(definition.to, services),
                "If it is a program outside of the platform, say so with `outside: ClassVar[bool] = True`.",
            )
    if definition.foreign:
        for sender in sorted({*definition.announcers} & {*services}):
            yield (
                f"{service} declares that {sender} announces {definition}: {sender} is a service of the "
                "platform, whose own events.py defines what it announces."
            )


def _alike(reading: Reading, known: list[Definition]) -> set[str]:
    """Every known event as a pattern of the same form: with this one's wildcards in their places."""
    words = reading.name.split(".")
    made = set()
    for name in events(known):
        others = name.split(".")
        if words[-1] == "#" and len(others) >= len(words) - 1:
            made.add(".".join([*others[: len(words) - 1], "#"]))
        elif len(others) == len(words):
            pairs = zip(words, others, strict=True)
            made.add(".".join(word if word in ("*", "#") else other for word, other in pairs))
    return made


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
