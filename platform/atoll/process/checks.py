"""Django's system checks for processes: ``manage.py check`` tells every mistake in a table."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, register

from atoll.bus.handlers import registry
from atoll.errors import Misuse
from atoll.process import registered
from atoll.process.manager import ProcessManager
from atoll.process.table_check import problems, suggestion


@register()
def check_processes(**_: Any) -> Sequence[CheckMessage]:
    """Check the tables, models and messages of every process manager."""
    return [
        Error(f"Process {manager.name}: {problem}", obj=manager.declared_in, id=f"atoll_process.{number}")
        for manager in registered.all_managers()
        for number, found in (
            ("E001", problems(manager.table)),
            ("E002", _messages(manager)),
            ("E003", _model(manager)),
            ("E004", _events(manager)),
        )
        for problem in found
    ]


def _messages(manager: ProcessManager[Any]) -> Iterator[str]:
    sent, built = manager.table.sent, {str(name) for name in manager.messages}
    for name in sorted(sent - built):
        yield f"`messages` has no function for {name!r}, which the table sends.{suggestion(name, built)}"
    for name in sorted(built - sent):
        yield f"No step of the table sends {name!r} of `messages`.{suggestion(name, sent)}"


def _model(manager: ProcessManager[Any]) -> Iterator[str]:
    try:
        manager.history  # noqa: B018  the property refuses a model without one
    except Misuse as error:
        yield str(error)
    longest = max((len(str(state)) for state in manager.table.states), default=0)
    if longest > (manager.model._meta.get_field("state").max_length or 0):
        yield f"A state has {longest} characters, and the field `state` of the model has fewer."
    names = {field.name for field in manager.model._meta.get_fields()}
    if manager.key != "pk":
        if manager.key not in names:
            meant = suggestion(manager.key, names)
            yield f"{manager.model.__name__} has no field {manager.key!r} for `key`.{meant}"
        elif not getattr(manager.model._meta.get_field(manager.key), "unique", False):
            yield f"`key` finds one row, so {manager.model.__name__}.{manager.key} must be unique."


def _events(manager: ProcessManager[Any]) -> Iterator[str]:
    heard, local = manager.table.heard, {str(name) for name in manager.local}
    for name in sorted(local - heard):
        yield f"The table has no event {name!r} of `local`.{suggestion(name, heard)}"
    for name in sorted(heard - local):
        if not (registry.handlers_for("event", name) or registry.command_handler(name)):
            yield (
                f"No handler of this service receives {name!r}. Write one, or name it in `local` when this "
                "service's own code calls `hear` with it."
            )
