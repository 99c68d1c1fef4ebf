"""The form of answers: camelCase JSON, exact decimals, times in UTC."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from atoll import wire


def render(data: Any) -> bytes:
    """The JSON of the data; empty for None."""
    return b"" if data is None else wire.dumps(wire.camelize(data))


class JSONRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return render(data)
