"""Moves the components of several documents into one, under names that do not collide."""

from typing import Any

PREFIX = "#/components/"
# The gateway says itself who may call.
OURS = "securitySchemes"


class Components:
    """What has been taken so far: ``{kind: {name: component}}``."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, Any]] = {}

    def take(self, service: str, document: dict[str, Any]) -> dict[str, str]:
        """Add the components of a service's document. Returns the new references by the old ones."""
        given = document.get("components") or {}
        names = {
            f"{PREFIX}{kind}/{name}": f"{PREFIX}{kind}/{self._name(kind, name, value, service)}"
            for kind, held in given.items()
            if kind != OURS and isinstance(held, dict)
            for name, value in held.items()
        }
        for kind, held in given.items():
            if kind != OURS and isinstance(held, dict):
                for name, value in held.items():
                    renamed = names[f"{PREFIX}{kind}/{name}"].rsplit("/", 1)[1]
                    self.taken.setdefault(kind, {})[renamed] = rewritten(value, names)
        return names

    def _name(self, kind: str, name: str, value: Any, service: str) -> str:
        """The name, with the service before it when another service's component has it."""
        other = self.taken.get(kind, {}).get(name)
        if other is None or other == value:
            return name
        return f"{camel(service)}{name}"


def camel(service: str) -> str:
    """``order-service`` becomes ``Order``."""
    return "".join(part.capitalize() for part in service.removesuffix("-service").split("-"))


def rewritten(value: Any, names: dict[str, str]) -> Any:
    """``value`` with every reference in it replaced."""
    if isinstance(value, dict):
        return {key: rewritten(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [rewritten(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value
