"""Calls of Linux for a process that keeps others. Other systems lack them."""

import ctypes
import sys

LINUX = sys.platform == "linux"

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None).prctl if LINUX else None


def die_with_parent(signum: int) -> None:
    """Have the kernel send ``signum`` to this process when its parent ends in any way."""
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


def adopt_orphans() -> None:
    """Adopt grandchildren when their parent ends, in place of init."""
    if _prctl:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
