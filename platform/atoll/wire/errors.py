"""Errors of data from the wire."""

from atoll.errors import InvalidInput, TooLarge


class WireError(InvalidInput):
    """The bytes are no JSON, or JSON that Atoll refuses."""

    default_code = "invalid_json"


class WireTooLarge(WireError, TooLarge):
    """The bytes are more than the reader allows; nothing was parsed."""

    status = TooLarge.status
    title = TooLarge.title
    default_code = TooLarge.default_code


class SchemaError(InvalidInput):
    """A payload lacks a field or has a wrong type in one; ``field`` is its path, ``items[0].sku``."""

    default_code = "schema_mismatch"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", details={"field": field})
        self.field = field
