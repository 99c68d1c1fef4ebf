"""Checks a report of failures. Its sender is a service with a credential; its values are still bounded."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from atoll import wire
from atoll.errors import InvalidInput

MAX_CAUSES = 50
MAX_NAME, MAX_CAUSE = 300, 500
MAX_TIMERS, MAX_THINGS, MAX_AMOUNTS = 50, 20, 20
MAX_COUNT = 2**31 - 1
MAX_AMOUNT = Decimal(10) ** 18
# Clocks differ.
LATEST = timedelta(minutes=5)


def _bound(*texts: str) -> None:
    for text in texts:
        if len(text) > MAX_NAME or "\0" in text:
            raise ValueError(f"has a text of more than {MAX_NAME} characters")


def _count(*counts: int) -> None:
    if not all(0 <= count <= MAX_COUNT for count in counts):
        raise ValueError(f"has a count that is not from 0 to {MAX_COUNT}")


@dataclass(frozen=True, kw_only=True)
class Timer:
    name: str
    count: int
    first_at: datetime

    def __post_init__(self) -> None:
        _bound(self.name)
        _count(self.count)


@dataclass(frozen=True, kw_only=True)
class Amount:
    currency: str
    amount: Decimal

    def __post_init__(self) -> None:
        _bound(self.currency)
        if not abs(self.amount) < MAX_AMOUNT:
            raise ValueError("has an amount beyond all bounds")


@dataclass(frozen=True, kw_only=True)
class Things:
    name: str
    count: int
    amounts: list[Amount] = field(default_factory=list)

    def __post_init__(self) -> None:
        _bound(self.name)
        _count(self.count)
        if len(self.amounts) > MAX_AMOUNTS:
            raise ValueError(f"has more than {MAX_AMOUNTS} amounts")


@dataclass(frozen=True, kw_only=True)
class Cause:
    handler: str
    name: str
    cause: str
    failing: int
    dead: int
    behind: int
    first_at: datetime
    last_at: datetime | None = None
    next_at: datetime | None = None
    dead_at: datetime | None = None
    sample: UUID
    is_cut: bool = False
    timers: list[Timer] = field(default_factory=list)
    things: list[Things] = field(default_factory=list)

    def __post_init__(self) -> None:
        _bound(self.handler, self.name)
        if len(self.cause) > MAX_CAUSE or "\0" in self.cause:
            raise ValueError(f"has a cause of more than {MAX_CAUSE} characters")
        _count(self.failing, self.dead, self.behind)
        if len(self.timers) > MAX_TIMERS or len(self.things) > MAX_THINGS:
            raise ValueError("names too many timers or things")

    @property
    def fingerprint(self) -> str:
        named = "\0".join((self.handler, self.name, self.cause))
        return hashlib.sha256(named.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Report:
    service_name: str
    as_of: datetime
    is_cut: bool = False
    causes: list[Cause]


def read(body: dict[str, Any], now: datetime | None = None) -> Report:
    """Raises InvalidInput, which names the field. Unknown fields are ignored."""
    causes = body.get("causes")
    if not isinstance(causes, list) or len(causes) > MAX_CAUSES:
        raise InvalidInput(f"causes must be an array of at most {MAX_CAUSES}.", code="invalid_field")
    try:
        report = wire.from_payload(Report, body)
    except wire.SchemaError as error:
        raise InvalidInput(str(error), code="invalid_field") from error
    if report.as_of > (now or datetime.now(UTC)) + LATEST:
        raise InvalidInput("asOf must not be in the future.", code="invalid_field")
    return report
