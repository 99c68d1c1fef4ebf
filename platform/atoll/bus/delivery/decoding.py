"""From a stored message to a handler's arguments."""

from typing import Any, get_origin

from atoll import wire
from atoll.bus.delivery.store import Claim
from atoll.bus.handler_exceptions import Dead
from atoll.bus.handlers.registry import Handler
from atoll.bus.message import Message
from atoll.bus.upcasting import UpcastFailed, upcasted
from atoll.errors import Refusal


class Unfit(Exception):
    """The data is not what the handler reads; the text names the field and the versions."""


def decode(handler: Handler, claim: Claim) -> tuple[Any, Message]:
    """The handler's arguments; Dead when the payload does not fit, since time will not mend it.

    The message keeps its data and version as they came.
    """
    data = wire.loads(claim.body.encode()).get("data", {})
    message = Message(
        id=claim.message_id,
        type=claim.name,
        data=data,
        service_id=claim.service_id,
        correlation_id=claim.correlation_id,
        timestamp=claim.sent_at,
        version=claim.version,
        attempt=claim.attempt,
        idempotency_key=str(claim.id),
    )
    try:
        return payload(handler.payload_type, claim.name, data, claim.version), message
    except Unfit as unfit:
        raise Dead(str(unfit)) from unfit.__cause__


def payload(cls: Any, name: str, data: dict[str, Any], version: int) -> Any:
    """The data of one version as a handler's payload class reads it; Unfit when it cannot.

    A newer version than the class declares is read like any other: it fits unless
    something that the class needs has changed.
    """
    if takes_anything(cls):
        return data
    wanted = version_of(cls)
    try:
        return wire.from_payload(cls, upcasted(name, data, version, wanted))
    except UpcastFailed as failure:
        raise Unfit(str(failure)) from failure.__cause__ or failure
    except Refusal as error:
        versions = "" if version == wanted else f", which reads version {wanted}; this is version {version}"
        raise Unfit(f"The payload does not fit {cls.__name__}{versions}: {error.message}") from error


def takes_anything(cls: Any) -> bool:
    """Whether a handler annotated with this gets the data as it came."""
    return dict in (cls, get_origin(cls))


def version_of(cls: Any) -> int:
    return int(getattr(cls, "version", 1))
