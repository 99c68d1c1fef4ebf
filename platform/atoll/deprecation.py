"""Names and parameters that will go: they work and warn until the version that removes them.

A function or a class gets ``typing_extensions.deprecated`` with a notice, which type checkers read, too.
The functions of this module do the same for the names of a module and for a parameter. A notice has one form:

    Deprecated since 0.2; removed in 0.4. Use atoll.bus.publish.

docs/versions.md gives the rules, and tests/architecture/test_public_names.py holds them.
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def deprecated_names(
    module: str,
    places: Mapping[str, tuple[str, str]],
    otherwise: Callable[[str], object] | None = None,
) -> Callable[[str], object]:
    """A module's ``__getattr__`` (PEP 562) for names that have moved.

    ``places`` has the notice and the new place of each old name, such as ``"atoll.bus.publish"``.
    ``otherwise`` finds the names that are not among them.
    """

    def find(name: str) -> object:
        if name not in places:
            if otherwise is not None:
                return otherwise(name)
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        notice, place = places[name]
        warnings.warn(f"{module}.{name}: {notice}", DeprecationWarning, stacklevel=2)
        home, _, new = place.rpartition(".")
        return getattr(import_module(home), new)

    return find


def deprecated_parameter(name: str, notice: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function takes the parameter ``name`` as before, and warns when a caller names it."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> R:
            if name in options:
                warnings.warn(f"{function.__qualname__}({name}=): {notice}", DeprecationWarning, stacklevel=2)
            return function(*args, **options)

        return call

    return wrap
