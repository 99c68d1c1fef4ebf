"""Contracts across repositories, for the command lines: comparison with a document, and generated code."""

from collections.abc import Iterable, Sequence
from typing import Literal

from atoll.bus.schemas import document_source, python_code, typescript_code
from atoll.bus.schemas.comparison import TryOut, compare
from atoll.bus.schemas.definitions import Definition, ServiceMessages
from atoll.bus.schemas.known_names import suggestion
from atoll.bus.topic_match import matches
from atoll.errors import Misuse

Language = Literal["python", "typescript"]
LANGUAGES: tuple[Language, ...] = ("python", "typescript")


def against(projects: Iterable[ServiceMessages], source: str, try_out: TryOut) -> tuple[list[str], bool]:
    """Compare services with the document at ``source``, a file or an address of http or https.

    Returns lines for a person, and whether nothing breaks. Raises Misuse for a source without a document.
    """
    projects = list(projects)
    other = document_source.document(source)
    result = compare(projects, other, try_out)
    lines = [f"- breaks: {text}" for text in result.breaking]
    lines += [f"- compatible: {text}" for text in result.compatible]
    lines += [f"- not compared: {text}" for text in result.unknown]
    here, there = _listed({one.service for one in projects}), _listed(other.services)
    count = len(result.breaking)
    lines.append(
        f"Compared {here} with {there} of {source}: {f'{count} to mend' if count else 'nothing breaks'}."
    )
    return [printable(line) for line in lines], not count


def generated(
    language: Language,
    definitions: Iterable[Definition],
    *,
    made_from: str,
    service: str = "",
    only: Sequence[str] = (),
) -> str:
    """Code for the messages whose name one of ``only`` matches, or for all of them.

    ``service`` is the service that will use the code. Raises Misuse when no message matches one of ``only``.
    """
    definitions = list(definitions)
    for pattern in only:
        if not any(matches(pattern, one.name) for one in definitions):
            meant = suggestion(pattern, {one.name for one in definitions})
            raise Misuse(f"No message of {made_from} is called {pattern}. {meant}".strip())
    chosen = [one for one in definitions if not only or any(matches(name, one.name) for name in only)]
    if language == "python":
        return python_code.module(chosen, made_from=made_from, service=service)
    return typescript_code.module(chosen, made_from=made_from)


def printable(text: str) -> str:
    """The text without characters that a terminal obeys: a foreign document may contain them."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _listed(services: set[str]) -> str:
    return ", ".join(sorted(services)) or "no service"
