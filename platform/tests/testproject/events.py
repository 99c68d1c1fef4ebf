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
