"""Reading a message's data as the payload class of a handler."""

from typing import Any, get_origin

from atoll import wire
from atoll.bus.upcasting import UpcastFailed, apply_upcasters
from atoll.errors import Refusal


class PayloadMismatch(Exception):
    """The data does not fit the handler's payload class. The text names the field and the versions."""


def read(cls: Any, name: str, data: dict[str, Any], version: int) -> Any:
    """Return the data of one version as an instance of a handler's payload class.

    Raises PayloadMismatch. Data of a newer version than the class declares fits
    unless a field that the class needs has changed.
    """
    if takes_anything(cls):
        return data
    wanted = version_of(cls)
    try:
        return wire.from_payload(cls, apply_upcasters(name, data, version, wanted))
    except UpcastFailed as failure:
        raise PayloadMismatch(str(failure)) from failure.__cause__ or failure
    except Refusal as error:
        versions = "" if version == wanted else f", which reads version {wanted}; this is version {version}"
        raise PayloadMismatch(
            f"The payload does not fit {cls.__name__}{versions}: {error.message}"
        ) from error


def takes_anything(cls: Any) -> bool:
    """Whether a handler with this annotation gets the data as a dict, unchecked."""
    return dict in (cls, get_origin(cls))


def version_of(cls: Any) -> int:
    return int(getattr(cls, "version", 1))
