"""Metrics of several worker processes behind one port, told by whichever is asked."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics(workers: int) -> Iterator[None]:
    """Gives more than one worker a folder to count in, gone at the end; a folder already named stays.

    To be entered before anything imports ``prometheus_client``, which looks only once.
    """
    if workers == 1 or os.environ.get(VARIABLE):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="atoll-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[VARIABLE] = folder
        yield
