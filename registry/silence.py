"""Which silent instances stay in the answer: silence is not absence (docs/decisions/0054).

One process that falls silent has died, more likely than not. When all of a service fall silent
together, the network or the registry has: taking them out would end the service, and leaving
them in costs a caller one more try.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# Beats come every 15 seconds, so what goes silent at one moment runs out within as long;
# twice that for processes that beat more slowly.
TOGETHER_S = 30.0


@dataclass(frozen=True)
class Seat:
    """An instance as the database had it when it was asked. ``left_s``: of its lease; 0 or less
    when it is silent. ``wire``: what callers are told of it."""

    pk: int
    id: str
    place: tuple[str, int]
    incarnation: int
    is_drained: bool
    left_s: float
    beat_at: datetime
    beat_age_s: float
    registered_at: datetime
    wire: dict[str, Any]

    @property
    def is_live(self) -> bool:
        return self.left_s > 0


def last_known(seats: Iterable[Seat]) -> frozenset[int]:
    """The ``pk`` of the silent instances of one service that callers should go on trying.

    Those that fell silent together, last of all, if they are more than still beat: all of them
    when none does. Never one that an operator drained, nor one whose place a live one has taken.
    """
    wanted = [seat for seat in seats if not seat.is_drained]
    live = [seat for seat in wanted if seat.is_live]
    taken = {seat.place for seat in live if seat.place[1]}
    silent = [seat for seat in wanted if not seat.is_live and seat.place not in taken]
    newest = max((seat.left_s for seat in silent), default=0.0)
    together = [seat for seat in silent if seat.left_s >= newest - TOGETHER_S]
    return frozenset(seat.pk for seat in together) if len(together) > len(live) else frozenset()
