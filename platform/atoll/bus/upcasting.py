"""Upcasters: functions that convert the data of an old message version to the next version.

A message can wait in a queue, in a timer or as a dead letter while its definition changes.
A service's ``handlers.py`` holds the upcasters for the messages that this service receives.
"""

import copy
from collections.abc import Callable
from typing import Any

from atoll.bus.topic_match import is_pattern
from atoll.errors import Misuse

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

_upcasters: dict[tuple[str, int], Upcaster] = {}


class UpcastFailed(Exception):
    """An upcaster raised an exception or returned no dict. The text names the upcaster."""


def upcast(name: str, *, from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Register an upcaster of one event type or command, from ``from_version`` to the next version.

    The function gets its own copy of the data as on the wire, in camelCase, and
    returns the data of ``from_version + 1``. Upcasters run one after the other up to
    the version of the handler's payload class. A version without an upcaster leaves
    the data unchanged. A delivery becomes a dead letter when an upcaster raises; a
    replay runs the upcasters again.
    Raises Misuse when this version already has an upcaster.
    """
    if is_pattern(name):
        raise Misuse(f"An upcaster is for one event type or command, not for the pattern {name!r}.")
    if isinstance(from_version, bool) or not isinstance(from_version, int) or from_version < 1:
        raise Misuse(f"{name} has no version {from_version!r}; versions are whole numbers from 1.")

    def register(function: Upcaster) -> Upcaster:
        held = _upcasters.get((name, from_version))
        if held and _id(held) != _id(function):
            raise Misuse(f"{name} version {from_version} has the upcaster {_id(held)} already.")
        _upcasters[name, from_version] = function
        return function

    return register


def apply_upcasters(name: str, data: dict[str, Any], version: int, wanted: int) -> dict[str, Any]:
    """Return the data in version ``wanted``, or unchanged when ``version`` is not older.

    Raises UpcastFailed.
    """
    steps = [number for number in range(version, wanted) if (name, number) in _upcasters]
    if not steps:
        return data
    data = copy.deepcopy(data)
    for number in steps:
        function = _upcasters[name, number]
        where = f"The upcaster {_id(function)} of {name} from version {number}"
        try:
            data = function(data)
        except Exception as error:
            raise UpcastFailed(f"{where} failed: {type(error).__name__}: {error}") from error
        if not isinstance(data, dict):
            raise UpcastFailed(f"{where} returned {type(data).__name__}, not a dict.")
    return data


def names() -> list[str]:
    """Return the names of the messages that have upcasters in this process."""
    return sorted({name for name, _ in _upcasters})


def versions(name: str) -> list[int]:
    """Return the versions from which a message has an upcaster in this process."""
    return sorted(number for held, number in _upcasters if held == name)


def _id(function: Upcaster) -> str:
    return f"{function.__module__}.{function.__qualname__}"
