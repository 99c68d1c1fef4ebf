"""One call with its attempts, and the failure of one attempt."""

from dataclasses import dataclass

from atoll.client.deadline import Deadline
from atoll.client.options import Params
from atoll.errors import Unavailable


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    params: Params | None
    headers: dict[str, str]
    body: bytes | None
    is_repeatable: bool
    deadline: Deadline


class Failed(Exception):
    """An attempt failed. ``may_repeat`` says whether another attempt is safe; without one the caller
    gets ``error``."""

    def __init__(self, error: Unavailable, *, may_repeat: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.may_repeat = may_repeat
