"""What must hold before a process of a project starts, whichever process it is.

Asked by ``serve``, by workers and ``PROJECT bus``, and by ``migrate``.
"""

from collections.abc import Callable

Condition = Callable[[], None]

_conditions: dict[str, Condition] = {}


def require(name: str, condition: Condition) -> None:
    """``condition`` raises ImproperlyConfigured when nothing may start. The name replaces an earlier one."""
    _conditions[name] = condition


def refuse_start() -> None:
    """Raises ImproperlyConfigured with what must be changed first."""
    for condition in _conditions.values():
        condition()
