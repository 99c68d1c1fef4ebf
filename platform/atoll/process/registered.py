"""The process managers of this process, by their names."""

from typing import TYPE_CHECKING, Any

from atoll.errors import Misuse

if TYPE_CHECKING:
    from atoll.process.manager import ProcessManager

_managers: "dict[str, ProcessManager[Any]]" = {}


def add(manager: "ProcessManager[Any]") -> None:
    """Raises Misuse when another module has a process of that name."""
    held = _managers.get(manager.name)
    if held is not None and held.declared_in != manager.declared_in:
        raise Misuse(
            f"{held.declared_in} and {manager.declared_in} both declare the process {manager.name!r}."
        )
    _managers[manager.name] = manager


def by_name(name: str) -> "ProcessManager[Any] | None":
    return _managers.get(name)


def all_managers() -> "list[ProcessManager[Any]]":
    return list(_managers.values())
