"""The OpenAPI document: camelCase names, the error shape, idempotency keys."""

from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from atoll import wire

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=(
        "1 to 255 visible ASCII characters. The same key and body get the stored answer for 24 hours; "
        "another body is 422, one still in flight 409."
    ),
)

ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error", "message", "code", "correlationId", "details"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong, in a few words."},
        "message": {"type": "string", "description": "What happened and what to do."},
        "code": {"type": "string", "description": "Stable, for programs.", "example": "invalid_input"},
        "correlationId": {
            "type": "string",
            "nullable": True,
            "description": "Names this request in all logs.",
        },
        "details": {"type": "object", "additionalProperties": {}, "description": "By field, where it helps."},
    },
}


class AutoSchema(SpectacularAutoSchema):
    """Describes the Idempotency-Key header of operations that honour it, and the bodies of DELETE."""

    def get_override_parameters(self) -> list[Any]:
        view_method = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        return [IDEMPOTENCY_KEY] if getattr(view_method, "is_idempotent", False) else []

    def get_request_serializer(self) -> Any:
        """A DELETE has a body only if ``extend_schema`` declares one."""
        return None if self.method == "DELETE" else super().get_request_serializer()

    def _get_request_body(self, direction: str = "request") -> Any:
        """Also for DELETE; drf-spectacular itself describes only the bodies of PUT, PATCH and POST."""
        if self.method != "DELETE":
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # untyped there
        if self.get_request_serializer() is None:
            return None
        self.method = "POST"
        try:
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]  # untyped there
        finally:
            self.method = "DELETE"


def camelize_names(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Hook of drf-spectacular: name the properties as the renderer writes them."""
    for schema in result.get("components", {}).get("schemas", {}).values():
        _camelize_schema(schema)
    for operation in _operations(result):
        for media in _media_types(operation):
            _camelize_schema(media.get("schema", {}))
    return result


def _camelize_schema(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _camelize_schema(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema["properties"] = {wire.camel(name): value for name, value in schema["properties"].items()}
        if isinstance(schema.get("required"), list):
            schema["required"] = [wire.camel(name) for name in schema["required"]]
        nested = [
            schema[key]
            for key in ("items", "allOf", "oneOf", "anyOf", "additionalProperties")
            if key in schema
        ]
        for value in [*schema.get("properties", {}).values(), *nested]:
            _camelize_schema(value)


def document_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Hook of drf-spectacular: every operation may answer with the error shape."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR_SCHEMA
    answer = {
        "description": "Refused, or not possible now.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    for operation in _operations(result):
        operation["responses"].setdefault("4XX", answer)
        operation["responses"].setdefault("5XX", answer)
    return result


def _operations(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation
        for path in result["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "responses" in operation
    ]


def _media_types(operation: dict[str, Any]) -> list[dict[str, Any]]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [media for body in bodies for media in body.get("content", {}).values()]
