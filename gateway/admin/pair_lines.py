"""A form field for names and values, one pair per line: ``userId = uuid``."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget


class PairLines(forms.CharField):
    """Reads lines into ``{"userId": "uuid"}``. Raises ValidationError for a line without ``=``."""

    def __init__(self, *, rows: int = 3, **options: Any) -> None:
        super().__init__(
            **{"required": False, "widget": UnfoldAdminTextareaWidget(attrs={"rows": rows})} | options
        )

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name} = {told}" for name, told in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for line in filter(str.strip, (super().to_python(value) or "").splitlines()):
            name, equals, told = (part.strip() for part in line.partition("="))
            if not equals or not name:
                raise ValidationError(f"{line.strip()!r} is no pair, such as userId = uuid.")
            if name in found:
                raise ValidationError(f"{name} is here twice.")
            found[name] = told
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True
