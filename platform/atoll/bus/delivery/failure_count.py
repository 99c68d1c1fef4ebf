"""Counts the failed attempts of a worker, in memory that its children share.

The thread that tells the console of failures looks at the count, so that good deliveries cost nothing. Two
children that count at the same moment may count one failure: the thread then sees a change all the same, or
reads the ledger a few seconds later.
"""

import ctypes
import mmap

_count = ctypes.c_int64.from_buffer(mmap.mmap(-1, ctypes.sizeof(ctypes.c_int64)))


def add() -> None:
    _count.value += 1


def value() -> int:
    return _count.value
