"""Correcting the data of a dead delivery: parse, validate and compare the new data."""

import difflib
from dataclasses import dataclass
from typing import Any

from atoll import wire
from atoll.bus import payloads
from atoll.bus.handlers import known
from atoll.bus.models import Delivery
from atoll.errors import InvalidInput

CONTEXT_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A valid change: the new envelope and a unified diff against the previous data."""

    body: str
    diff: str


def current_data(delivery: Delivery) -> str:
    """Return the data that a replay would run now, as indented JSON."""
    return _indented(_envelope(delivery.edited_body or delivery.message.body).get("data", {}))


def original_data(delivery: Delivery) -> str:
    """Return the data as received, as indented JSON."""
    return _indented(_envelope(delivery.message.body).get("data", {}))


def edit(delivery: Delivery, text: str) -> Edit:
    """Return the change from the delivery's current data to the JSON in ``text``.

    Raises a Refusal when the text is not JSON that Atoll accepts, is not an object,
    changes nothing, or does not fit the handler's payload class.
    """
    data = wire.loads(text.encode(errors="surrogatepass"))
    if not isinstance(data, dict):
        raise InvalidInput("The data must be a JSON object.")
    envelope = _envelope(delivery.edited_body or delivery.message.body)
    before, after = _indented(envelope.get("data", {})), _indented(data)
    if before == after:
        raise InvalidInput("Nothing was changed. To run it as it is, replay it.")
    body = wire.dumps({**envelope, "data": data}).decode()
    _check(delivery, body)
    return Edit(body=body, diff=_diff(before, after))


def _check(delivery: Delivery, body: str) -> None:
    message = delivery.message
    handler = known.code_for(delivery.handler, message.kind, message.name)
    if handler is None:
        raise InvalidInput(
            f"No handler is called {delivery.handler} here, so nothing can tell whether this fits."
        )
    try:
        # Parse the whole body as a worker does: the envelope adds one nesting level and some bytes.
        data = _envelope(body)["data"]
        payloads.read(handler.payload_type, message.name, data, message.version)
    except payloads.PayloadMismatch as mismatch:
        raise InvalidInput(str(mismatch)) from mismatch


def _envelope(body: str) -> dict[str, Any]:
    envelope: dict[str, Any] = wire.loads(body.encode())
    return envelope


def _indented(data: Any) -> str:
    return wire.JSONEncoder(indent=2, ensure_ascii=False).encode(data)


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        lineterm="",
        n=CONTEXT_LINES,
        fromfile="before",
        tofile="after",
    )
    return "\n".join(list(lines)[2:])
