"""Creates the routes that ship with the repository."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ValidationError
from django.db import transaction

from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.models import Route
from gateway.risks import risks
from gateway.usecases.load_aggregates import load_aggregates
from gateway.usecases.publish import publish

WHY_CHARS = 500
FILE = Path(__file__).resolve().parents[1] / "routes.toml"


@dataclass(frozen=True)
class Loaded:
    created: list[str]
    kept: list[str]
    version: int


def load_routes(file: Path = FILE, *, by: str = "load_routes") -> Loaded:
    """Create the missing routes, leave the others as they are, and publish the new ones.

    Changes that operators have not published stay unpublished.
    Raises InvalidConfiguration, which names the route and its mistake. Nothing is changed then.
    """
    try:
        rows = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidConfiguration(f"{file.name} cannot be read: {error}") from error
    created: list[str] = []
    kept: list[str] = []
    with transaction.atomic():
        for name, fields in rows.items():
            if Route.objects.filter(name=name).exists():
                kept.append(name)
                continue
            _create(name, fields, by)
            created.append(name)
        told = f"Shipped routes: {', '.join(created) or 'none is new'}"
        combined = load_aggregates() if file == FILE else []
        sections = ["aggregates"] if combined else []
        version = publish(by, told[:WHY_CHARS], routes=created, only=sections).version
    return Loaded([*created, *combined], kept, version)


def _create(name: str, fields: dict[str, object], by: str) -> None:
    """``insist = true`` in the file accepts the risks, as an administrator does in the admin."""
    insists = fields.pop("insist", False) is True
    try:
        route = Route(name=name, shipped=True, insisted_by=by if insists else "", **fields)
        route.full_clean()
    except ValidationError as error:
        raise InvalidConfiguration(" ".join(error.messages)) from error
    except TypeError as error:
        raise InvalidConfiguration(f"Route '{name}': {error}.") from error
    for risk in risks(route, known=[route.service]):
        if not insists:
            raise InvalidConfiguration(f"Route '{name}': {risk.text} Say insist = true if you mean it.")
    route.save()
