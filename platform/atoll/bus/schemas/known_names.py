"""Checks that the platform defines every message name that a project uses, and suggests similar names."""

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from atoll.bus.schemas.compatibility import definitions_for
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.bus.topic_match import is_pattern

FOREIGN = (
    "If a program outside of the platform announces it, declare that with `senders` in events.py "
    "(docs/messages.md, foreign producers)."
)


def unknown_names(
    project: ServiceMessages, definitions: Iterable[Definition], services: Collection[str]
) -> list[str]:
    """Return the problems of the names that a project reads, sends or upcasts and nobody defines.

    ``services`` are the names on the wire of all services of the platform.
    """
    known = list(definitions)
    return [
        *_read(project, known),
        *_upcast(project, known),
        *(problem for one in project.announces for problem in _addressed(project.service, one, services)),
    ]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the question "Did you mean …?" with the most similar known name, or ""."""
    found = get_close_matches(name, sorted(set(known)), n=1)
    return f"Did you mean {found[0]}?" if found else ""


def event_names(definitions: Iterable[Definition]) -> set[str]:
    return {definition.name for definition in definitions if definition.kind == "event"}


def _read(project: ServiceMessages, known: list[Definition]) -> Iterator[str]:
    for subscription in project.reads:
        if definitions_for(known, project.service, subscription):
            continue
        whom = f"{project.service} reads {subscription.name} in {subscription.handler}"
        if subscription.kind == "command":
            meant = suggestion(subscription.name, (item.name for item in known if item.to == project.service))
            yield _sentences(f"{whom}, and nobody sends that command to it.", meant, FOREIGN)
        elif is_pattern(subscription.name):
            meant = suggestion(subscription.name, _alike(subscription, known))
            yield _sentences(f"{whom}, and no known event matches that pattern.", meant, FOREIGN)
        else:
            meant = suggestion(subscription.name, event_names(known))
            yield _sentences(f"{whom}, and nobody announces that event.", meant, FOREIGN)


def _upcast(project: ServiceMessages, known: list[Definition]) -> Iterator[str]:
    names = {definition.name for definition in known if definition.to in ("", project.service)}
    for name in project.upcasts:
        if name not in names:
            said = f"{project.service} has an upcaster for {name}, which no event and no command is called."
            yield _sentences(said, suggestion(name, names))


def _addressed(service: str, definition: Definition, services: Collection[str]) -> Iterator[str]:
    if definition.kind == "command" and definition.outside == (definition.to in services):
        said = f"{service} sends {definition} to {definition.to}"
        if definition.outside:
            yield f"{said}, which is a service of the platform: remove `outside` from its class."
        else:
            yield _sentences(
                f"{said}, and no service is called so.",
                suggestion(definition.to, services),
                "If it is a program outside of the platform, say so with `outside: ClassVar[bool] = True`.",
            )
    if definition.foreign:
        for sender in sorted({*definition.announcers} & {*services}):
            yield (
                f"{service} declares that {sender} announces {definition}: {sender} is a service of the "
                "platform, whose own events.py defines what it announces."
            )


def _alike(subscription: Subscription, known: list[Definition]) -> set[str]:
    """Return every known event as a pattern, with the subscription's wildcards in their places."""
    words = subscription.name.split(".")
    made = set()
    for name in event_names(known):
        others = name.split(".")
        if words[-1] == "#" and len(others) >= len(words) - 1:
            made.add(".".join([*others[: len(words) - 1], "#"]))
        elif len(others) == len(words):
            pairs = zip(words, others, strict=True)
            made.add(".".join(word if word in ("*", "#") else other for word, other in pairs))
    return made


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
