"""Compares the messages of this repository's services with the document of another repository."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from atoll.bus.schemas import catalogue, compatibility, evolution
from atoll.bus.schemas.compatibility import Trial, definitions_for, mismatches
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.bus.schemas.foreign_document import ForeignDocument
from atoll.bus.schemas.json_schema import Schema
from atoll.bus.schemas.known_names import event_names, suggestion

TryOut = Callable[[Iterable[Trial]], list[str]]


@dataclass
class Comparison:
    """Sentences: what breaks, what differs and breaks nothing, and what could not be compared."""

    breaking: list[str] = field(default_factory=list)
    compatible: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def compare(projects: Iterable[ServiceMessages], other: ForeignDocument, try_out: TryOut) -> Comparison:
    """Compare both directions: messages from there that these projects read, and messages from here that
    the services of the document read.

    ``try_out`` hands examples of old versions to the handlers' upcasters and names those that fail. Of a
    service that both sides describe, the document is taken for the earlier state.
    """
    projects = list(projects)
    here = {project.service for project in projects}
    mine = catalogue.definitions(projects, [])
    theirs = [one for one in other.definitions if not one.foreign]
    result = Comparison()
    for project in projects:
        for subscription in project.reads:
            _find_sender(project, subscription, mine, theirs, other, result)
    result.breaking += compatibility.incompatibilities(projects, theirs)
    result.breaking += try_out(compatibility.trials(projects, theirs))
    result.breaking += _declared_otherwise(mine, theirs)
    result.breaking += _missed_there(mine, here, other)
    result.breaking += _unhandled_there(mine, other)
    earlier = [one for one in theirs if set(one.announcers) <= here]
    result.breaking += evolution.breaking_changes(earlier, mine)
    result.compatible += _additions(mine, theirs, earlier)
    result.breaking = list(dict.fromkeys(result.breaking))
    return result


def _find_sender(
    project: ServiceMessages,
    subscription: Subscription,
    mine: list[Definition],
    theirs: list[Definition],
    other: ForeignDocument,
    result: Comparison,
) -> None:
    """Note a subscription whose message nobody sends any more."""
    if definitions_for(theirs, project.service, subscription):
        return
    defined = definitions_for(mine, project.service, subscription)
    if any(not one.foreign for one in defined):
        return  # a service of this repository sends it
    senders = {name for one in defined for name in one.announcers}
    if subscription.kind == "command" and not senders & other.services:
        return  # a command to a service of this repository, which anybody may come to send
    whom = f"{project.service} reads {subscription.name} in {subscription.handler}"
    if senders and not senders & other.services:
        result.unknown.append(
            f"{whom}, and its senders ({', '.join(sorted(senders))}) are not in the document"
        )
        return
    meant = suggestion(subscription.name, event_names(theirs))
    result.breaking.append(f"{whom}, and no service of the document publishes it. {meant}".strip())


def _declared_otherwise(mine: list[Definition], theirs: list[Definition]) -> Iterator[str]:
    """Report declarations of foreign messages here that are not true of the message there."""
    there = {one.key: one for one in theirs}
    for declared in mine:
        if declared.foreign and (real := there.get(declared.key)):
            for gap in mismatches(real.schema, declared.schema, "data"):
                yield f"{declared.service} declares {declared} of {', '.join(real.announcers)}: {gap}"


def _missed_there(mine: list[Definition], here: set[str], other: ForeignDocument) -> Iterator[str]:
    """Report declarations there of messages from here that are not sent, or not in that form."""
    for declared in other.definitions:
        senders = sorted({*declared.announcers} & here)
        if not declared.foreign or not senders:
            continue
        reader = f"{declared.service} of the document reads {declared} of {', '.join(senders)}"
        held = [one for one in mine if one.message == declared.message and not one.foreign]
        if not held:
            meant = suggestion(declared.name, event_names(mine))
            yield f"{reader}, and no service here announces it. {meant}".strip()
            continue
        real = _nearest(held, declared.version)
        version = "" if real.version == declared.version else f"announced in version {real.version}, "
        for gap in mismatches(real.schema, declared.schema, "data"):
            yield f"{reader}: {version}{gap}"


def _unhandled_there(mine: list[Definition], other: ForeignDocument) -> Iterator[str]:
    """Report commands to services of the document that do not handle them, or not in this form."""
    for sent in mine:
        if sent.kind != "command" or sent.foreign or sent.to not in other.services:
            continue
        whom = f"{sent.service} sends {sent} to {sent.to}"
        if (sent.to, "command", sent.name) not in other.handled:
            handled = {name for to, kind, name in other.handled if (to, kind) == (sent.to, "command")}
            meant = suggestion(sent.name, handled)
            yield f"{whom}, which does not handle it by the document. {meant}".strip()
            continue
        held = [one for one in other.definitions if one.message == sent.message]
        if held:
            wanted = _nearest(held, sent.version)
            for gap in mismatches(sent.schema, wanted.schema, "data"):
                yield f"{whom}, where version {wanted.version} is defined: {gap}"


def _nearest(held: list[Definition], version: int) -> Definition:
    """The definition of this version, or else of the newest."""
    same = [one for one in held if one.version == version]
    return (same or sorted(held, key=lambda one: one.version))[-1]


def _additions(mine: list[Definition], theirs: list[Definition], earlier: list[Definition]) -> Iterator[str]:
    """Report fields and versions that one side has more, and that break nobody."""
    older = {one.key for one in earlier}
    for real in theirs:
        known = [one for one in mine if one.message == real.message]
        same = next((one for one in known if one.version == real.version), None)
        if same is not None:
            old, new = (real, same) if real.key in older else (same, real)
            if found := list(_new_fields(old.schema, new.schema, "data")):
                side = "here" if real.key in older else "in the document"
                yield f"{real} has more {side}: {', '.join(f'`{path}`' for path in found)}"
        elif known and not real.superseded:
            held = ", ".join(str(one.version) for one in sorted(known, key=lambda one: one.version))
            yield f"{real} is in the document, and version {held} here"


def _new_fields(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for name, inner in new.get("properties", {}).items():
        held = old.get("properties", {}).get(name)
        if held is None:
            yield f"{where}.{name}"
        else:
            yield from _new_fields(held, inner, f"{where}.{name}")
    if "items" in old and "items" in new:
        yield from _new_fields(old["items"], new["items"], f"{where}[]")
