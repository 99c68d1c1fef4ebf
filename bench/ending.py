"""The end of a benchmark that is stopped from outside."""

import signal
import sys
from typing import NoReturn


def exit_on_sigterm() -> None:
    """SIGTERM ends the process like an error: it stops what it has started, and removes its checkout.

    A second SIGTERM does not disturb that.
    """
    signal.signal(signal.SIGTERM, _exit)


def _exit(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)
