"""What the library's small project announces under a definition."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True)
class NotePricedOnce:
    """What `NotePriced` was before."""

    type: ClassVar[str] = "note.priced"
    note_id: UUID


@dataclass(frozen=True)
class NotePriced:
    type: ClassVar[str] = "note.priced"
    version: ClassVar[int] = 2
    note_id: UUID
    price: Decimal
    currency: str = "EUR"


@dataclass(frozen=True)
class NoteRequested:
    """Asks for a note; ``hold_s`` makes the first attempt take its time, mid-transaction."""

    type: ClassVar[str] = "note.requested"
    text: str
    hold_s: float = 0.0


@dataclass(frozen=True)
class EndlessNote(NoteRequested):
    """Its handler takes as long as it says, at every attempt."""

    type: ClassVar[str] = "note.endless"


@dataclass(frozen=True)
class SlowNote(NoteRequested):
    """Its handler outlasts its time."""

    type: ClassVar[str] = "note.slow"


@dataclass(frozen=True)
class StuckNote(NoteRequested):
    """Its handler cannot be interrupted at its first attempt."""

    type: ClassVar[str] = "note.stuck"


@dataclass(frozen=True)
class FatalNote(NoteRequested):
    """Its handler ends the process that runs it."""

    type: ClassVar[str] = "note.fatal"


@dataclass(frozen=True)
class NoteWritten:
    type: ClassVar[str] = "note.written"
    text: str


@dataclass(frozen=True)
class NoteCounted:
    type: ClassVar[str] = "note.counted"
    key: str
    number: int


@dataclass(frozen=True)
class WriteNote:
    command: ClassVar[str] = "write.note"
    to: ClassVar[str] = "library-service"
    text: str


@dataclass(frozen=True)
class NoteAsked:
    """Announced by a program that is no part of the platform; most tests invent its data."""

    type: ClassVar[str] = "note.asked"
    senders: ClassVar[tuple[str, ...]] = ("library-service", "old-library")
