"""Reading a message's data as the payload class of a handler."""

from typing import Any, get_origin

from atoll import wire
from atoll.bus.upcasting import UpcastFailed, upcasted
from atoll.errors import Refusal


class Unfit(Exception):
    """The data is not what the handler reads; the text names the field and the versions."""


def read(cls: Any, name: str, data: dict[str, Any], version: int) -> Any:
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
