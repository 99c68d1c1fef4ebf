"""The contracts of the whole platform, as a process finds them beside its code: docs/asyncapi.json.

``manage.py asyncapi`` writes the document. A process that starts without it, as one of a
repository that has none yet, is held to nothing.
"""

import json
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.bus.schemas import asyncapi, definitions, names
from atoll.bus.schemas.definitions import Definition
from atoll.errors import Misuse

PLACE = Path("docs/asyncapi.json")


def document() -> list[Definition] | None:
    """Every definition of the document; None where there is none.

    Raises Misuse when it is no document that Atoll wrote.
    """
    try:
        return asyncapi.definitions(json.loads((conf.root() / PLACE).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misuse(f"{PLACE} cannot be read back ({error!r}); restore it from git or delete it.") from error


def services() -> set[str]:
    """Every service of the platform by its name on the wire, this one included."""
    return {project.service for project in conf.projects().values()} | {settings.ATOLL_SERVICE}


def refuse_unknown_names() -> None:
    """Raises ImproperlyConfigured for each name that a handler, an upcaster or a command of this project
    uses and that neither the document nor the project itself defines."""
    try:
        written = document()
        if written is None:
            return
        mine = definitions.of_this_project()
    except Misuse as error:
        raise ImproperlyConfigured(str(error)) from error
    if found := names.unknown(mine, [*written, *mine.announces], services()):
        raise ImproperlyConfigured(
            "\n".join([*found, "After a change elsewhere, `./manage.py asyncapi` writes the document."])
        )
