"""The message contracts of the whole platform: docs/asyncapi.json, read from beside the code.

``manage.py asyncapi`` writes the document. A process without the document, for example
in a new repository, accepts every message name.
"""

import json
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.bus.schemas import asyncapi, definitions, known_names
from atoll.bus.schemas.definitions import Definition
from atoll.errors import Misuse

DOCUMENT = Path("docs/asyncapi.json")


def document() -> list[Definition] | None:
    """Return every definition in the document, or None without a document.

    Raises Misuse when the file is not a document that Atoll wrote.
    """
    try:
        return asyncapi.read_definitions(json.loads((conf.root() / DOCUMENT).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misuse(
            f"{DOCUMENT} cannot be read back ({error!r}); restore it from git or delete it."
        ) from error


def writer() -> str:
    """The command that writes the document here."""
    return "manage.py atoll_asyncapi" if conf.stands_alone() else "./manage.py asyncapi"


def services() -> set[str]:
    """Return the names on the wire of all services of the platform, including this service."""
    return {project.service for project in conf.projects().values()} | {conf.service_name()}


def refuse_unknown_names() -> None:
    """Check the message names that this project's handlers, upcasters and commands use.

    Raises ImproperlyConfigured with every name that neither the document nor this project defines.
    """
    try:
        written = document()
        if written is None:
            return
        mine = definitions.of_this_project()
    except Misuse as error:
        raise ImproperlyConfigured(str(error)) from error
    if found := known_names.unknown_names(mine, [*written, *mine.announces], services()):
        raise ImproperlyConfigured(
            "\n".join([*found, f"After a change elsewhere, `{writer()}` writes the document."])
        )
