"""The message that a process sends to itself."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FireProcessTimer:
    """A timer of a process of this service. ``number`` tells which start of the timer it belongs to."""

    command: ClassVar[str] = "fire.process.timer"
    process: str
    key: str
    timer: str
    number: int
