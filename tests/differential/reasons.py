"""The reasons of `reasons.toml`."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("reasons.toml")


class Reason(NamedTuple):
    """It explains the cases whose name begins with ``pattern``, a regular expression."""

    pattern: str
    topic: str
    why: str


@cache
def reasons() -> tuple[Reason, ...]:
    return tuple(Reason(**one) for one in tomllib.loads(FILE.read_text())["reasons"])


def reason(case: str) -> Reason | None:
    """The first that fits the name of the case."""
    return next((one for one in reasons() if re.match(one.pattern, case)), None)
