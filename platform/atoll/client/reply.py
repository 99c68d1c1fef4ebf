"""The answer of a service, with a status below 500."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeVar, overload

from requests.structures import CaseInsensitiveDict

from atoll import wire
from atoll.errors import (
    BadAnswer,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Refusal,
    TooLarge,
    TooManyRequests,
    Unprocessable,
)

Read = TypeVar("Read")

REFUSALS: dict[int, type[Refusal]] = {
    kind.status: kind
    for kind in (InvalidInput, NotSignedIn, NotAllowed, NotFound, Conflict, TooLarge, Unprocessable)
}


class Reply:
    """Header names count in upper and lower case alike; ``instance_id`` is the instance that answered."""

    def __init__(
        self, service: str, status: int, headers: Mapping[str, str], content: bytes, instance_id: str = ""
    ) -> None:
        self.service = service
        self.status = status
        self._headers = headers
        self.content = content
        self.instance_id = instance_id

    @cached_property
    def headers(self) -> CaseInsensitiveDict[str]:
        return CaseInsensitiveDict(self._headers)

    @property
    def ok(self) -> bool:
        return self.status < 400

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, into: type[Read]) -> Read: ...
    def json(self, into: type[Any] | None = None) -> Any:
        """The body as JSON; numbers with a fraction are Decimal.

        ``into`` is a dataclass with snake_case names for the object in the body; unknown fields are ignored.
        Raises BadAnswer when the body is not JSON or does not fit ``into``.
        """
        try:
            value = wire.loads(self.content, max_bytes=max(len(self.content), 1))
        except Refusal as error:
            raise BadAnswer(self.service, f"its {self.status} answer is not JSON: {error}") from error
        if into is None:
            return value
        try:
            return wire.from_payload(into, value)
        except Refusal as error:
            raise BadAnswer(
                self.service, f"its {self.status} answer is no {into.__name__}: {error.message}"
            ) from error

    def raise_for_status(self) -> "Reply":
        """Return this reply; for a 4xx raise its Refusal, with the service's message and code."""
        if self.ok:
            return self
        told = self._error_fields()
        message = str(told.get("message") or told.get("error") or f"{self.service} answered {self.status}")
        code = str(told["code"]) if told.get("code") else None
        if self.status == TooManyRequests.status:
            seconds = self.headers.get("Retry-After", "")
            raise TooManyRequests(message, retry_after_s=int(seconds) if seconds.isdigit() else 1, code=code)
        raise REFUSALS.get(self.status, Refusal)(message, code=code)

    def _error_fields(self) -> dict[str, Any]:
        try:
            value = self.json()
        except BadAnswer:
            return {}
        return value if isinstance(value, dict) else {}

    def __repr__(self) -> str:
        return f"<Reply {self.status} from {self.service}, {len(self.content)} bytes>"
