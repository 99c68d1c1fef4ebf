"""Poison: messages that no service can use, each with a token by which the checker finds it."""

import json
from dataclasses import dataclass, field
from struct import pack
from typing import Any
from uuid import uuid4

BIG_BYTES = 10_000_000
BINARY = b"\xff\xfe\xc3"
# Flags that announce headers and a delivery mode, a header that is a time in the year 292277026596,
# and the mode: persistent, since a broker that is killed may forget other messages.
PAST_THE_CALENDAR = b"\x30\x00" + pack(">IB2scQ", 12, 2, b"at", b"T", 2**63) + b"\x02"

# The place of a poison afterwards: quarantine; quarantine or dead letters, since the service checks
# a schema on arrival or later; or any table, such as the inbox without a handler.
QUARANTINE, HELD, KEPT = "quarantine", "held", "kept"


@dataclass(frozen=True)
class Poison:
    sort: str
    token: str
    body: bytes
    expected: str = QUARANTINE
    content_type: str = "application/json"
    headers: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    # Raw properties in place of all fields above, for properties that no client writes.
    written: bytes = b""


COMMANDS = {"payments": "process.payment", "products": "commit.stock", "orders": "expire.order"}


def make(sort: str, project: str) -> Poison | None:
    """Return a new poison of a sort for a service, or None when the sort does not apply to the service."""
    token = uuid4().hex
    command = COMMANDS.get(project)
    good = {
        "id": token,
        "command": command or "nobody.handles.this",
        "data": {"orderId": str(uuid4()), "token": token},
        "timestamp": "2026-01-01T00:00:00.000Z",
        "serviceId": "chaos",
        "correlationId": token,
        "version": 1,
    }
    text = json.dumps(good)
    match sort:
        case "binary_correlation_id" | "binary_message_id" | "binary_type" | "binary_content_type":
            # The body itself is valid.
            properties = {sort.removeprefix("binary_"): BINARY}
            return Poison(sort, token, text.encode(), properties=properties)
        case "header_past_the_calendar":
            return Poison(sort, token, text.encode(), written=PAST_THE_CALENDAR)
        case "binary_header_name":
            return Poison(sort, token, text[:-20].encode(), headers={BINARY: BINARY})
        case "invalid_utf8":
            return Poison(sort, token, text.encode().replace(b"chaos", b"\xff\xfe\xc3"))
        case "truncated_json":
            return Poison(sort, token, text[:-20].encode())
        case "ten_megabytes":
            # Its end is invalid, too: a parser that stops early does not see that.
            return Poison(sort, token, b'"' + token.encode() + b"x" * BIG_BYTES)
        case "not_an_object":
            return Poison(sort, token, json.dumps([good]).encode())
        case "binary":
            return Poison(
                sort, token, b"\x00\x01\x02" + token.encode(), content_type="application/octet-stream"
            )
        case "no_name":
            return Poison(sort, token, _without(good, "command"))
        case "two_names":
            return Poison(sort, token, json.dumps(good | {"eventType": "stock.reserved"}).encode())
        case "data_of_wrong_type":
            return Poison(sort, token, json.dumps(good | {"data": [token]}).encode())
        case "version_of_wrong_type":
            return Poison(sort, token, json.dumps(good | {"version": "two"}).encode())
        case "nul_in_id":
            return Poison(sort, token, json.dumps(good | {"id": f"\x00{token}"}).encode())
        case "unknown_command":
            return Poison(sort, token, json.dumps(good | {"command": "nobody.handles.this"}).encode())
        case "future_version" if command:
            return Poison(sort, token, json.dumps(good | {"version": 99}).encode(), KEPT)
        case "nul_in_data" if command:
            data = {"orderId": "\x00", "token": token}
            return Poison(sort, token, json.dumps(good | {"data": data}).encode(), HELD)
        case "unknown_event":
            renamed = {**good, "eventType": "nobody.hears.this"}
            return Poison(sort, token, _without(renamed, "command"), KEPT)
        case "missing_field" if command:
            return Poison(sort, token, json.dumps(good | {"data": {"token": token}}).encode(), HELD)
        case "field_of_wrong_type" if command:
            return Poison(
                sort, token, json.dumps(good | {"data": {"orderId": 7, "token": token}}).encode(), HELD
            )
    return None


SORTS = (
    *("invalid_utf8", "truncated_json", "ten_megabytes", "not_an_object", "binary", "no_name", "two_names"),
    *("data_of_wrong_type", "version_of_wrong_type", "nul_in_id", "unknown_command", "unknown_event"),
    *("binary_correlation_id", "binary_message_id", "binary_type", "binary_content_type"),
    *("header_past_the_calendar", "binary_header_name"),
    *("missing_field", "field_of_wrong_type", "future_version", "nul_in_data"),
)


def _without(document: dict[str, Any], name: str) -> bytes:
    return json.dumps({key: value for key, value in document.items() if key != name}).encode()
