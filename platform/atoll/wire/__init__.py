"""Reads and writes JSON. All data between processes goes through this package."""

from atoll.wire.errors import SchemaError, WireError, WireTooLarge
from atoll.wire.names import camel, camelize, underscore, underscoreize
from atoll.wire.payloads import from_payload
from atoll.wire.reading import MAX_BYTES, MAX_DEPTH, JSONDecoder, loads
from atoll.wire.strict import checked_data, checked_payload
from atoll.wire.writing import JSONEncoder, dumps, timestamp, to_payload

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "JSONDecoder",
    "JSONEncoder",
    "SchemaError",
    "WireError",
    "WireTooLarge",
    "camel",
    "camelize",
    "checked_data",
    "checked_payload",
    "dumps",
    "from_payload",
    "loads",
    "timestamp",
    "to_payload",
    "underscore",
    "underscoreize",
]
