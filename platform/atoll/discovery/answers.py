"""The answers of the registry to questions for instances and to heartbeats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atoll.discovery.instances import Instance

INDEX_HEADER = "X-Registry-Index"
STATE_HEADER = "X-Registry-List"
STALE_HEADER = "X-Registry-Stale"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """The instances of one service, and an index that changes only when the list changes.

    ``is_unknown``: the registry has never heard of the service. ``stale_s``: the registry's database is
    away, and the list is so many seconds old.
    """

    index: int
    instances: tuple[Instance, ...]
    is_unknown: bool = False
    stale_s: float = 0.0

    @classmethod
    def read(cls, rows: Any, headers: Mapping[str, str]) -> "Answer":
        """Read the JSON value and the header fields of an answer. Header names are spelled as the registry
        writes them. Raises KeyError, TypeError, AttributeError or ValueError for anything else."""
        instances = tuple(Instance.from_wire(row) for row in rows)
        is_unknown = headers.get(STATE_HEADER) == UNKNOWN and not instances
        stale_s = float(headers.get(STALE_HEADER) or 0)
        return cls(int(headers[INDEX_HEADER]), instances, is_unknown, stale_s)


@dataclass(frozen=True)
class Heard:
    """The answer to a heartbeat.

    ``status`` is ``draining`` while an operator drains the instance, else ``ok``. ``log_level`` is empty
    unless an operator has set one, for ``log_level_s`` seconds.
    """

    status: str
    log_level: str = ""
    log_level_s: float = 0.0

    @classmethod
    def read(cls, told: Any) -> "Heard":
        """Take the parts that can be read. An unknown one must not end the registration."""
        status = told.get("status", "ok") if isinstance(told, dict) else "ok"
        level = told.get("logLevel") if isinstance(told, dict) else None
        if not isinstance(level, dict) or not isinstance(level.get("forS"), int | float):
            return cls(str(status))
        return cls(str(status), str(level.get("level", "")), float(level["forS"]))
