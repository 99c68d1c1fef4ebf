"""One set of metrics for several worker processes: each process gives the sums of all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics(workers: int) -> Iterator[None]:
    """Make the folder that several workers need for their counts, and delete it at the end.

    A folder that PROMETHEUS_MULTIPROC_DIR names already is used and stays. Enter this before any import
    of ``prometheus_client``, which reads the variable once.
    """
    if workers == 1 or os.environ.get(VARIABLE):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="atoll-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[VARIABLE] = folder
        yield
