"""Old versions of messages, brought up to the one that a handler reads.

A message can wait in a queue, in a timer or as a dead letter while its definition moves on.
Upcasters stand in ``handlers.py`` and apply to what that service receives.
"""

import copy
from collections.abc import Callable
from typing import Any

from atoll.bus.topic_match import is_pattern
from atoll.errors import Misuse

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

_upcasters: dict[tuple[str, int], Upcaster] = {}


class UpcastFailed(Exception):
    """An upcaster raised, or returned no dict; the text says which one."""


def upcast(name: str, *, from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Turn the data of one version of an event or command into that of the next.

    The function gets the data as on the wire, in camelCase, as a copy of its own,
    and returns that of ``from_version + 1``. Upcasters are chained up to the
    version of the handler's payload class; a step without one leaves the data as
    it is. What raises makes a dead letter, which a replay runs again.
    Raises Misuse when that step has an upcaster already.
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


def upcasted(name: str, data: dict[str, Any], version: int, wanted: int) -> dict[str, Any]:
    """The data as of version ``wanted``; as it came when it is of that version or newer.

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
    """The messages that have upcasters here."""
    return sorted({name for name, _ in _upcasters})


def steps(name: str) -> list[int]:
    """The versions of a message from which there is an upcaster here."""
    return sorted(number for held, number in _upcasters if held == name)


def _id(function: Upcaster) -> str:
    return f"{function.__module__}.{function.__qualname__}"
