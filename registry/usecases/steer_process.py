"""Restarts, stops or starts a process of the platform on a developer's machine, and keeps who did it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from atoll import conf
from atoll.errors import Conflict, InvalidInput, NotFound
from registry.models import JournalEntry

RESTART, STOP, START = "restart", "stop", "start"
KINDS = {
    RESTART: JournalEntry.Kind.PROCESS_RESTARTED,
    STOP: JournalEntry.Kind.PROCESS_STOPPED,
    START: JournalEntry.Kind.PROCESS_STARTED,
}
# The pages of the console come from these; a person could not start them again there.
NEVER_STOPPED = ("registry", "gateway")


def processes() -> Mapping[str, Mapping[str, Any]]:
    """The rows of the processes that can be steered, by name. Empty outside of a developer's machine."""
    if conf.environment() != "development":
        return {}
    # Packages of a developer's machine, which an image for production lacks.
    from atoll.dev import steering

    home = conf.home().resolve()
    return {
        name: row | {"is_stopped": steering.is_stopped(home, name)}
        for name, row in steering.processes(home).items()
    }


def steer_process(name: str, act: str, *, actor: str) -> None:
    """Raises NotFound, InvalidInput, and Conflict when the process cannot be ended now."""
    row = processes().get(name)
    if row is None:
        raise NotFound(f"No process {name} runs here.", code="process_not_found")
    if act not in KINDS:
        raise InvalidInput(f"The act is one of {', '.join(KINDS)}.", code="invalid_act")
    if act == STOP and name in NEVER_STOPPED:
        raise InvalidInput(f"The console itself needs {name}.", code="needed_by_the_console")
    from atoll.dev import steering

    home = conf.home().resolve()
    with transaction.atomic():
        # First, since the process may be this one. A failure takes it back.
        JournalEntry.objects.create(
            kind=KINDS[act], service=service_of(name), actor=actor, details={"process": name}
        )
        try:
            if act == START:
                steering.start(home, name)
            elif act == STOP:
                steering.stop(home, dict(row))
            else:
                steering.restart(home, dict(row))
        except steering.CannotSteer as reason:
            raise Conflict(str(reason), code="process_not_running") from reason


def service_of(name: str) -> str:
    """The name on the wire of a process: of a project, or of its worker."""
    plain = name.removesuffix("-worker")
    project = conf.projects().get(plain)
    if project is None:
        return ""
    return f"{project.service}.worker" if plain != name else project.service
