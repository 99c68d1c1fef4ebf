"""Conditions for the start of every process of a project.

``serve``, workers, ``PROJECT bus`` and ``migrate`` check them.
"""

from collections.abc import Callable

Condition = Callable[[], None]

_conditions: dict[str, Condition] = {}


def require(name: str, condition: Condition) -> None:
    """``condition`` raises ImproperlyConfigured to refuse the start. A name has one condition, the last."""
    _conditions[name] = condition


def refuse_start() -> None:
    """Raises ImproperlyConfigured for the first condition that does not hold."""
    for condition in _conditions.values():
        condition()
