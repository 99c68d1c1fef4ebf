"""Takes a table from a file into the draft."""

from collections.abc import Callable, Collection

from django.db import transaction

from gateway.draft.as_yaml import INSIST, parse
from gateway.draft.checking import problems, route_of
from gateway.draft.rights import forbidden
from gateway.draft.rows import load
from gateway.models import Route
from gateway.risks import risks
from gateway.usecases.publish import check_draft, draft

RISKY = ("service", "service_path", "prefix", "access", "roles", "methods")


class Refused(Exception):
    """``problems`` are all reasons, in words."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def import_table(content: bytes, by: str, *, known: Collection[str], may: Callable[[str], bool]) -> None:
    """Change the draft to the table of the YAML file. Sections that it lacks stay as they are.

    ``may`` tells the person's permissions: for each section that changes, and for the risks that only an
    administrator may accept. A risk that somebody has accepted for the same route stays accepted. Raises
    Refused and InvalidConfiguration; nothing is changed then.
    """
    found = problems(content, known)
    if found:
        raise Refused(found)
    given = parse(content)
    rows = given.get("routes", [])
    held = {route.name: route for route in Route.objects.exclude(insisted_by="")}
    risky = [row for row in rows if risks(route_of(row), known) and not _accepted(row, held)]
    too_risky = [
        f"Route '{row['name']}': {risk.text} Only an administrator may insist on it."
        for row in risky
        for risk in risks(route_of(row), known)
        if risk.needs_admin and not may("gateway.insist_route")
    ]
    if too_risky:
        raise Refused(too_risky)
    with transaction.atomic():
        before = draft().document
        if rows:
            given["routes"] = [{key: value for key, value in row.items() if key != INSIST} for row in rows]
        load(given, by)
        Route.objects.filter(name__in=[row["name"] for row in risky]).update(insisted_by=by)
        check_draft()
        closed = forbidden(before, draft().document, may)
        if closed:
            raise Refused([f"Only an administrator may change {section}." for section in closed])


def _accepted(row: dict[str, object], held: dict[str, Route]) -> bool:
    route = held.get(str(row["name"]))
    if route is None:
        return False
    wanted = route_of(row)
    return all(getattr(route, field) == getattr(wanted, field) for field in RISKY)
