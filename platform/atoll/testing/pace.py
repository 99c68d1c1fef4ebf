"""Time limits on a machine that others use too.

A limit in seconds is a statement about an idle machine. Where it was exceeded, a piece of work of
known size shows how much slower everything is here and now, and the limit grows by as much: what
waits in vain still fails, what only got no processor does not.
"""

import subprocess
import sys
import time

YARDSTICK = "import celery.bin.worker, django.db, rest_framework.serializers"
YARDSTICK_S = 0.5  # on an idle machine
AT_MOST = 10.0


def slowness() -> float:
    """How many times longer than on an idle machine work takes now: from 1 to ``AT_MOST``."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", YARDSTICK], check=True)
    return min(max((time.monotonic() - began) / YARDSTICK_S, 1.0), AT_MOST)


def idle_seconds(took_s: float, limit_s: float) -> float:
    """``took_s``; where it exceeds ``limit_s``, what it would have been on an idle machine."""
    return took_s if took_s < limit_s else took_s / slowness()
