"""A form field for header fields that a request must carry, one per line: ``X-Version: 2``."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget


class HeaderLines(forms.CharField):
    """Reads lines into ``{"x-version": "2"}``. Raises ValidationError for a line without a colon."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"required": False, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 3})} | options
        )

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name}: {wanted}" for name, wanted in sorted(value.items()))
        return value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for line in filter(str.strip, (super().to_python(value) or "").splitlines()):
            name, colon, wanted = line.partition(":")
            name = name.strip().lower()
            if not colon:
                raise ValidationError(f"{line.strip()!r} is no header field, such as X-Version: 2.")
            if name in found:
                raise ValidationError(f"Name each header field once: {name} is here twice.")
            found[name] = wanted.strip()
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True
