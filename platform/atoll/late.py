"""Names of a package that are imported at their first use.

A process that needs one module of a package then does not load the libraries of the others. An edge process
of the gateway uses the client's policy, and has neither Django nor a second HTTP client in its memory.
"""

from collections.abc import Callable, Mapping
from importlib import import_module


def late(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """A module's ``__getattr__`` (PEP 562): ``homes`` has the names that each module of ``package`` gives."""
    home_of = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> object:
        module = home_of.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{module}"), name)

    return find
