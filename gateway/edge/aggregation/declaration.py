"""The declaration of an aggregate: its address, its callers, and its legs. Read from a published table."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from atoll.identity import roles
from gateway.edge.aggregation import pointers
from gateway.edge.aggregation.addresses import InvalidTemplate, Template, check_target

NULL, EMPTY_LIST, FAIL = "null", "empty_list", "fail"
IF_FAILED = (NULL, EMPTY_LIST, FAIL)
ROLES = tuple(role for role in roles.ROLES if role != roles.ADMIN)
MAX_LEGS = 10
MAX_FIELDS = 100
MAX_TIMEOUT_S = 600
# Names of the answer that are not a leg's.
TAKEN = frozenset(("errors", "timestamp"))


class InvalidAggregate(ValueError):
    """The text names the aggregate and its mistake."""


@dataclass(frozen=True)
class Leg:
    """One request to a service. ``fields`` are names of the answer and JSON pointers into the leg's answer.

    ``timeout_s`` 0 means the aggregate's. With ``missing_code``, a 404 of the leg is the whole answer.
    """

    name: str
    service: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 0
    if_failed: str = NULL
    missing_title: str = ""
    missing_code: str = ""
    missing_message: str = ""


@dataclass(frozen=True)
class Aggregate:
    """``owner`` is the parameter that must be the caller's id; holders of ``roles`` may ask for anybody's.

    Without both, every caller of the route may ask. ``timeout_s`` 0 means the route's.
    """

    name: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    roles: tuple[str, ...] = ()
    timeout_s: float = 0
    refused_message: str = "This belongs to somebody else."
    failed_title: str = "Failed to load the data"
    failed_code: str = "aggregate_failed"
    failed_message: str = "None of its parts could be read. Try again."
    legs: tuple[Leg, ...] = ()

    @cached_property
    def template(self) -> Template:
        """Raises InvalidTemplate."""
        return Template(self.path, dict(self.parameters))


def read(rows: Any, *, internal: Collection[str] = ()) -> tuple[Aggregate, ...]:
    """Raises InvalidAggregate unless each aggregate and all together are valid.

    ``internal`` are first segments of paths that no leg may ask for.
    """
    try:
        found = tuple(_aggregate(row) for row in rows)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidAggregate(f"An aggregate is incomplete: {error}.") from error
    for aggregate in found:
        problem = _problem(aggregate, internal)
        if problem:
            raise InvalidAggregate(f"Aggregate '{aggregate.name}': {problem}")
    _check_distinct(found)
    return found


def services_of(aggregates: Collection[Aggregate]) -> frozenset[str]:
    return frozenset(leg.service for aggregate in aggregates for leg in aggregate.legs)


def _aggregate(row: dict[str, Any]) -> Aggregate:
    return Aggregate(
        **{
            **row,
            "parameters": tuple(sorted(row.get("parameters", {}).items())),
            "roles": tuple(row.get("roles", ())),
            "legs": tuple(_leg(leg) for leg in row["legs"]),
        }
    )


def _leg(row: dict[str, Any]) -> Leg:
    return Leg(**{**row, "fields": tuple(map(tuple, pairs(row.get("fields", ()))))})


def pairs(fields: Any) -> list[list[str]]:
    """Names and pointers in their order; PostgreSQL would sort the names of an object.

    Raises TypeError or ValueError for anything but an object or pairs.
    """
    return [[name, pointer] for name, pointer in (fields.items() if isinstance(fields, dict) else fields)]


def _problem(aggregate: Aggregate, internal: Collection[str]) -> str | None:
    return (
        _type_problem(aggregate)
        or _address_problem(aggregate)
        or _caller_problem(aggregate)
        or next((told for leg in aggregate.legs if (told := _leg_problem(aggregate, leg, internal))), None)
        or _together_problem(aggregate)
    )


def _type_problem(aggregate: Aggregate) -> str | None:
    holders: list[Aggregate | Leg] = [aggregate, *aggregate.legs]
    for holder in holders:
        for one in fields(holder):
            if not _has_its_type(one.name, getattr(holder, one.name)):
                return f"its {one.name} has a value of the wrong type."
    return None


def _has_its_type(name: str, value: Any) -> bool:
    match name:
        case "legs":
            return True
        case "timeout_s":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "fields" | "parameters":
            return all(isinstance(one, str) for pair in value for one in pair)
        case "roles":
            return all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _address_problem(aggregate: Aggregate) -> str | None:
    if not pointers.NAME.fullmatch(aggregate.name):
        return "its name must be lower-case letters, digits and hyphens."
    try:
        unused = {name for name, _ in aggregate.parameters} - set(aggregate.template.names)
    except InvalidTemplate as error:
        return str(error)
    return f"the path does not have {{{min(unused)}}}." if unused else None


def _caller_problem(aggregate: Aggregate) -> str | None:
    if aggregate.owner and aggregate.owner not in dict(aggregate.parameters):
        return f"the owner {aggregate.owner!r} is no parameter."
    if not set(aggregate.roles) <= set(ROLES):
        return f"its roles must be some of {', '.join(ROLES)}; an administrator always may."
    if not 0 <= aggregate.timeout_s <= MAX_TIMEOUT_S:
        return f"the time-out must be between 0 and {MAX_TIMEOUT_S} s."
    return None


def _leg_problem(aggregate: Aggregate, leg: Leg, internal: Collection[str]) -> str | None:
    told = _leg_alone(leg) or pointers.problem(leg.fields, most=MAX_FIELDS)
    if told is None:
        try:
            check_target(leg.path, {name for name, _ in aggregate.parameters}, internal)
        except InvalidTemplate as error:
            told = str(error)
    return f"leg '{leg.name}': {told}" if told else None


def _leg_alone(leg: Leg) -> str | None:
    if not pointers.FIELD.fullmatch(leg.name) or leg.name in TAKEN:
        return "its name must be a field name of the answer, and neither errors nor timestamp."
    if not pointers.NAME.fullmatch(leg.service):
        return f"{leg.service!r} is no service name, such as order-service."
    if leg.if_failed not in IF_FAILED:
        return f"a failed leg becomes one of {', '.join(IF_FAILED)}."
    if not 0 <= leg.timeout_s <= MAX_TIMEOUT_S:
        return f"the time-out must be between 0 and {MAX_TIMEOUT_S} s."
    if bool(leg.missing_title) != bool(leg.missing_code):
        return "a 404 needs a title and a code, or neither."
    return None


def _together_problem(aggregate: Aggregate) -> str | None:
    names = [leg.name for leg in aggregate.legs]
    if not 1 <= len(names) <= MAX_LEGS:
        return f"it needs 1 to {MAX_LEGS} legs."
    twice = next((name for name in names if names.count(name) > 1), None)
    return f"two legs are called '{twice}'." if twice else None


def _check_distinct(aggregates: tuple[Aggregate, ...]) -> None:
    names: set[str] = set()
    shapes: dict[str, str] = {}
    for aggregate in aggregates:
        if aggregate.name in names:
            raise InvalidAggregate(f"Two aggregates are called '{aggregate.name}'.")
        names.add(aggregate.name)
        other = shapes.setdefault(aggregate.template.shape, aggregate.name)
        if other != aggregate.name:
            raise InvalidAggregate(f"Aggregates '{other}' and '{aggregate.name}' have the same address.")
