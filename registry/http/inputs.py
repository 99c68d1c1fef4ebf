"""Checks a request body. Unknown fields are ignored, so that an older registry takes newer clients."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from atoll import wire
from atoll.errors import InvalidInput
from registry.addresses import check_loopback, check_port, resolve_host
from registry.usecases.credentials import WORKER_SUFFIX
from registry.usecases.register import Offer

SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}(\.worker)?")
INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
METADATA_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
MAX_METADATA_KEYS = 32
MAX_METADATA_CHARACTERS = 256
MAX_METADATA_BYTES = 4096
MAX_WEIGHT = 1000
MAX_INCARNATION = 2**63 - 1
TEXTS = ("version", "environment", "zone", "role")


@dataclass(frozen=True)
class InstanceRef:
    """The instance of a heartbeat or a deregistration. ``incarnation`` is 0 when the body has none."""

    service: str
    instance_id: str
    incarnation: int


def body(raw: bytes) -> dict[str, Any]:
    value = wire.loads(raw, max_depth=8)
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.")
    return value


def service_name(value: Any) -> str:
    if not isinstance(value, str) or not SERVICE_NAME.fullmatch(value):
        raise _invalid("serviceName", "lower-case letters, digits and dashes, starting with a letter")
    return value


def instance_ref(value: dict[str, Any]) -> InstanceRef:
    return InstanceRef(
        service_name(value.get("serviceName")),
        _instance_id("instanceId", value.get("instanceId")),
        _incarnation(value.get("incarnation")),
    )


def offer(value: dict[str, Any], service: str, *, peer: str, server: str) -> Offer:
    """Resolve the host name, which blocks for as long as the resolver takes.

    ``peer`` is the caller's address, ``server`` the address of ours that it used.
    """
    instance = value.get("instance")
    if not isinstance(instance, dict):
        raise _invalid("instance", "an object with id, host and port")
    instance_id = _instance_id("instance.id", instance.get("id"))
    host, port = instance.get("host"), instance.get("port")
    if not isinstance(host, str) or not host:
        raise _invalid("instance.host", "an IP address or a host name")
    if isinstance(port, bool) or not isinstance(port, int):
        raise _invalid("instance.port", "a whole number")
    check_port(port, is_worker=service.endswith(WORKER_SUFFIX))
    metadata = _metadata(instance.get("metadata"))
    incarnation = _incarnation(instance.get("incarnation"))
    resolved = resolve_host(host)
    check_loopback(resolved, peer, server)
    return Offer(instance_id, resolved.host, resolved.address, port, metadata, incarnation)


def _instance_id(field: str, value: Any) -> str:
    if not isinstance(value, str) or not INSTANCE_ID.fullmatch(value):
        raise _invalid(field, "1 to 128 of letters, digits and ._:-")
    return value


def _incarnation(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_INCARNATION:
        raise _invalid("incarnation", "a positive whole number below 2^63")
    return value


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_METADATA_KEYS:
        raise _invalid("instance.metadata", f"an object of at most {MAX_METADATA_KEYS} keys")
    checked = {key: _metadata_value(key, item) for key, item in value.items()}
    if len(json.dumps(checked)) > MAX_METADATA_BYTES:
        raise _invalid("instance.metadata", f"at most {MAX_METADATA_BYTES} bytes of JSON")
    return checked


def _metadata_value(key: str, value: Any) -> Any:
    field = f"instance.metadata.{key[:64]}"
    if not METADATA_KEY.fullmatch(key):
        raise _invalid(field, "named with 1 to 64 letters, digits and _.-")
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, str) and len(value) > MAX_METADATA_CHARACTERS:
        raise _invalid(field, f"at most {MAX_METADATA_CHARACTERS} characters")
    if not isinstance(value, str | int | float | bool):
        raise _invalid(field, "a text, a number, true or false")
    if key in TEXTS and not isinstance(value, str):
        raise _invalid(field, "a text")
    if key == "weight" and (isinstance(value, str | bool) or not 0 <= value <= MAX_WEIGHT):
        raise _invalid(field, f"a number from 0 to {MAX_WEIGHT}")
    return value


def _invalid(field: str, expected: str) -> InvalidInput:
    return InvalidInput(
        f"{field} must be {expected}.", code="invalid_field", details={"fields": {field: expected}}
    )
