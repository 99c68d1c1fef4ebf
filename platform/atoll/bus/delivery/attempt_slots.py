"""The attempt of each child of a prefork pool, in memory that the child shares with its parent.

A child that is stuck or killed cannot give its attempt back; the parent reads it here and does so. The
memory has 10 kB and exists before the first child is forked.
"""

import ctypes
import mmap
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

# One for each child. A child without a slot is not watched; its claims end with its session.
SLOTS = 256


class Slot(ctypes.Structure):
    _fields_ = (
        ("ends_at", ctypes.c_double),
        ("pid", ctypes.c_int64),
        ("attempt", ctypes.c_int64),
        ("delivery", ctypes.c_ubyte * 16),
    )


class Shared(ctypes.Structure):
    _fields_ = (("is_leaving", ctypes.c_int64), ("slots", Slot * SLOTS))


@dataclass(frozen=True, slots=True)
class Entry:
    """An attempt in a child. ``ends_at`` is on the monotonic clock, which all processes share."""

    pid: int
    delivery_id: UUID
    attempt: int
    ends_at: float


_shared = Shared.from_buffer(mmap.mmap(-1, ctypes.sizeof(Shared)))
_own: Slot | None = None


def become_child(index: int) -> None:
    """Take the slot of that number for this process, and clear the entry of an earlier child."""
    global _own
    _own = _shared.slots[index] if index < SLOTS else None
    clear()


def note(delivery_id: UUID, attempt: int, ends_at: float) -> None:
    """Write the attempt into this child's slot; does nothing outside a child."""
    if _own is None:
        return
    _own.pid = os.getpid()
    _own.attempt = attempt
    _own.delivery[:] = list(delivery_id.bytes)
    # Last, since it makes the entry valid.
    _own.ends_at = ends_at


def clear() -> None:
    if _own is not None:
        _own.ends_at = 0.0


def entries(children: Collection[int], overdue_s: float | None = None) -> list[Entry]:
    """The attempts of the children with these process ids.

    With ``overdue_s``, only attempts that should have ended more than ``overdue_s`` seconds ago.
    """
    # A pool of threads has no children, and the watchdog asks twice a second.
    if not children:
        return []
    found = []
    until = None if overdue_s is None else time.monotonic() - overdue_s
    for slot in _shared.slots:
        ends_at, pid = slot.ends_at, slot.pid
        if not ends_at or pid not in children or (until is not None and ends_at >= until):
            continue
        entry = Entry(pid, UUID(bytes=bytes(slot.delivery)), slot.attempt, ends_at)
        # Another value means that the child has begun another attempt meanwhile.
        if slot.ends_at == ends_at:
            found.append(entry)
    return found


def leave() -> None:
    """Tell every process of this worker to begin no new attempt."""
    _shared.is_leaving = 1


def stay() -> None:
    _shared.is_leaving = 0


def is_leaving() -> bool:
    return bool(_shared.is_leaving)
