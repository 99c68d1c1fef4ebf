"""The periods that a page can show, each with the step of its charts."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Period:
    name: str
    title: str
    length: timedelta
    step: timedelta


PERIODS = {
    "5m": Period("5m", "Last 5 minutes", timedelta(minutes=5), timedelta(minutes=1)),
    "hour": Period("hour", "Last hour", timedelta(hours=1), timedelta(minutes=1)),
    "day": Period("day", "Last day", timedelta(days=1), timedelta(minutes=15)),
}


def period_of(name: str) -> Period:
    """The period of that name, the last hour for any other name."""
    return PERIODS.get(name, PERIODS["hour"])
