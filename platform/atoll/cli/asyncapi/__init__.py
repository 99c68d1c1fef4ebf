"""Write docs/asyncapi.json, AsyncAPI 3 for the whole platform. --check fails when it is not current.

A change that would break a service is refused: a published name and version keeps its meaning,
and every handler here must be able to read each version that may still arrive.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from atoll import conf
from atoll.bus.contracts import DOCUMENT
from atoll.bus.schemas import (
    asyncapi,
    catalogue,
    compatibility,
    document_source,
    evolution,
    exchange,
    known_names,
)
from atoll.bus.schemas.definitions import Definition, ServiceMessages
from atoll.cli.asyncapi import earlier, services
from atoll.dev import command
from atoll.errors import Misuse

SHOWN_LINES = 40
VERB_ALONE = "atoll_asyncapi"


def main(argv: list[str], described: Callable[[], services.Described] = services.described) -> int:
    parser = argparse.ArgumentParser(prog="manage.py asyncapi", description=__doc__)
    add_arguments(parser)
    return run(parser, parser.parse_args(argv), described)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``asyncapi``, and of ``atoll_asyncapi`` in a project that stands alone."""
    parser.add_argument("--check", action="store_true", help="write nothing; fail when it is not current")
    parser.add_argument("--base", metavar="COMMIT", help="compare with this commit's definitions")
    parser.add_argument(
        "--drop",
        metavar="NAME@VERSION",
        action="append",
        default=[],
        help="remove a superseded version, once no message of it waits anywhere",
    )
    others = parser.add_argument_group("other repositories (docs/contracts.md)")
    others.add_argument(
        "--against",
        metavar="FILE|URL",
        help="compare with the document of another repository, write nothing, and fail when something breaks",
    )
    others.add_argument(
        "--service", metavar="SERVICE", help="compare this service alone, by its name on the wire"
    )
    others.add_argument(
        "--generate",
        choices=exchange.LANGUAGES,
        help="print classes or types of the messages in this language",
    )
    others.add_argument(
        "--from", dest="source", metavar="FILE|URL", help=f"generate from this document, not {DOCUMENT}"
    )
    others.add_argument(
        "--for", dest="user", metavar="SERVICE", default="", help="the service that will use the code"
    )
    others.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help="generate this message alone; order.* as in @on",
    )
    others.add_argument("--output", metavar="FILE", type=Path, help="write the code to this file")


def run(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    described: Callable[[], services.Described] = services.described,
) -> int:
    """Do what the options say. Returns the exit code."""
    _refuse_mixtures(parser, options)
    path = conf.root() / DOCUMENT
    try:
        if options.against:
            return _compare(described(), options.against, options.service)
        if options.generate:
            return _generate(path, options)
        found = described()
        text, problems, compared = current(path, found, options.base, set(options.drop))
    except Misuse as error:
        # The traceback of a project has many lines.
        print("\n".join(map(exchange.printable, str(error).splitlines())), file=sys.stderr)
        return 1
    for problem in problems:
        print(f"- {problem}", file=sys.stderr)
    if problems:
        print(
            f"\n{DOCUMENT}: {len(problems)} to mend, compared with {compared}. docs/messages.md says how.",
            file=sys.stderr,
        )
        return 1
    return _check(path, text, compared) if options.check else _write(path, text, compared)


def _refuse_mixtures(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    writes = bool(options.base or options.drop)
    if options.against and (writes or options.generate):
        parser.error("--against compares and does nothing else")
    if options.generate and (writes or options.check):
        parser.error("--generate prints code and does nothing else")
    if options.service and not options.against:
        parser.error("--service belongs to --against")
    if (options.source or options.user or options.only or options.output) and not options.generate:
        parser.error("--from, --for, --only and --output belong to --generate")


def _compare(found: services.Described, source: str, service: str | None) -> int:
    names = {project.service for project in found.projects}
    if service and service not in names:
        raise Misuse(f"No service is called {service}. {known_names.suggestion(service, names)}".strip())
    chosen = [project for project in found.projects if service in (None, project.service)]
    lines, is_good = exchange.against(chosen, source, found.try_out)
    print("\n".join(lines), file=sys.stdout if is_good else sys.stderr)
    return 0 if is_good else 1


def _generate(path: Path, options: argparse.Namespace) -> int:
    source = options.source or str(DOCUMENT)
    held = document_source.document(options.source or str(path))
    text = exchange.generated(
        options.generate, held.definitions, made_from=source, service=options.user, only=options.only
    )
    if options.output is None:
        sys.stdout.write(text)
        return 0
    try:
        options.output.write_text(text)
    except OSError as error:
        raise Misuse(f"{options.output} cannot be written: {error.strerror}.") from error
    print(f"Wrote {options.output}.")
    return 0


def current(
    path: Path, found: services.Described, base: str | None, dropped: set[str]
) -> tuple[str, list[str], str]:
    """The document as it should be, its problems, and the state that it was compared with."""
    held = _held(path)
    bases = earlier.documents(path, base)
    before = {f"commit {commit}": _definitions(document or None) for commit, document in bases.items()}
    before = before or {"the file as it is" if path.exists() else "nothing, since there is no file": held}
    kept = earlier.kept(next(iter(before.values())), held, dropped)
    definitions = catalogue.definitions(found.projects, kept)
    problems = [
        problem for known in before.values() for problem in evolution.breaking_changes(known, definitions)
    ]
    problems += _unknown(found.projects, definitions)
    problems += _not_there(dropped, [*held, *(one for known in before.values() for one in known)])
    problems += compatibility.incompatibilities(found.projects, definitions)
    problems += found.try_out(compatibility.trials(found.projects, definitions))
    text = asyncapi.to_json(asyncapi.document(found.projects, definitions))
    return text, list(dict.fromkeys(problems)), ", ".join(before)


def _unknown(projects: list[ServiceMessages], definitions: list[Definition]) -> list[str]:
    services = {project.service for project in projects}
    return [
        text for project in projects for text in known_names.unknown_names(project, definitions, services)
    ]


def _not_there(dropped: set[str], listed: list[Definition]) -> list[str]:
    versions = {f"{one.name}@{one.version}" for one in listed}
    suggestions = {wanted: known_names.suggestion(wanted, versions) for wanted in sorted(dropped - versions)}
    return [
        f"--drop {wanted}: the document lists no such version. {meant}".strip()
        for wanted, meant in suggestions.items()
    ]


def _held(path: Path) -> list[Definition]:
    try:
        return _definitions(path.read_bytes() if path.exists() else None)
    except OSError as error:
        raise Misuse(f"{DOCUMENT} cannot be read: {error.strerror}.") from error


def _definitions(text: str | bytes | None) -> list[Definition]:
    if text is None:
        return []  # the document does not exist yet
    try:
        # Bytes of another encoding, which json would guess, are no document of ours.
        return asyncapi.read_definitions(json.loads(text if isinstance(text, str) else text.decode()))
    except (ValueError, KeyError, TypeError) as error:
        raise Misuse(
            f"{DOCUMENT} cannot be read back ({error!r}); restore it from git or delete it."
        ) from error


def _check(path: Path, text: str, compared: str) -> int:
    held = path.read_text() if path.exists() else ""
    if held == text:
        print(f"{DOCUMENT} is current; compared with {compared}.")
        return 0
    difference = list(
        difflib.unified_diff(held.splitlines(), text.splitlines(), "as it is", "as it should be", lineterm="")
    )
    print("\n".join(difference[:SHOWN_LINES]), file=sys.stderr)
    if len(difference) > SHOWN_LINES:
        print(f"... and {len(difference) - SHOWN_LINES} lines more", file=sys.stderr)
    verb = command.manage(VERB_ALONE if conf.stands_alone() else "asyncapi")
    print(f"\n{DOCUMENT} is not current: run `{verb}` and commit it.", file=sys.stderr)
    return 1


def _write(path: Path, text: str, compared: str) -> int:
    if path.exists() and path.read_text() == text:
        print(f"{DOCUMENT} is current already; compared with {compared}.")
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(f"Wrote {DOCUMENT}; compared with {compared}.")
    return 0
