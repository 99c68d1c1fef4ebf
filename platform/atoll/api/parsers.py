"""The one JSON parser of all services, hardened: see ``atoll.wire.loads``."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import parsers
from rest_framework.exceptions import UnsupportedMediaType

from atoll import wire


class JSONParser(parsers.JSONParser):
    """Reads camelCase JSON objects and arrays in UTF-8, not compressed. Keys become snake_case.

    Raises WireError (400 or 413) or UnsupportedMediaType (415), nothing else.
    """

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        meta: Mapping[str, Any] = parser_context["request"].META if parser_context else {}
        self._check_coding(meta, media_type or "")
        value = wire.loads(stream.read(), max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or wire.MAX_BYTES)
        if not isinstance(value, (dict, list)):
            raise wire.WireError("The body must be a JSON object or array.")
        return wire.underscoreize(value)

    def _check_coding(self, meta: Mapping[str, Any], media_type: str) -> None:
        if meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedMediaType(media_type, "Compressed bodies are not read.")
        for parameter in media_type.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in (
                "utf-8",
                "utf8",
            ):
                raise UnsupportedMediaType(media_type, "Bodies are read as UTF-8 only.")
