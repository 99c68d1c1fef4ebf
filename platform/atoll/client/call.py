"""One call on its way, and one attempt that failed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atoll.client.deadline import Deadline
from atoll.errors import Unavailable


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    params: Mapping[str, Any] | None
    headers: dict[str, str]
    body: bytes | None
    is_repeatable: bool
    deadline: Deadline


class Failed(Exception):
    """An attempt without an answer. ``error`` is what the caller gets if there is no other;
    ``may_repeat`` says whether another attempt is safe."""

    def __init__(self, error: Unavailable, *, may_repeat: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.may_repeat = may_repeat
