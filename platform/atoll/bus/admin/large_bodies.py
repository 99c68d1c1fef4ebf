"""Large bodies, shown without loading them: the database cuts them."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, BinaryField, F, Func, Model, TextField, Value

from atoll import wire
from atoll.bus.admin.indented import indented

# In characters of a text column, in bytes of a binary column.
MAX_SHOWN = 4000
# A JSON document up to this length is shown whole, over several lines.
MAX_INDENTED = 16_000
# No readable message is longer. Older quarantined bodies can be; psql shows the rest.
MAX_DOWNLOAD = wire.MAX_BYTES


@dataclass(frozen=True)
class Body:
    """A column that can be large. ``id_field`` of the page's row gives the primary key in ``model``."""

    model: type[Model]
    column: str
    id_field: str = "pk"

    def start(self, pk: Any) -> tuple[str, int]:
        """Return a text to show, and the whole length.

        It is the JSON document with indents, up to MAX_INDENTED; of any other body the first
        MAX_SHOWN characters or bytes.
        """
        counted = "octet_length" if self._is_binary else "length"
        length = Func(F(self.column), function=counted, output_field=BigIntegerField())
        found = self.model._default_manager.filter(pk=pk).values_list(self._cut(MAX_INDENTED), length).first()
        return (_readable(_text(found[0]), int(found[1])), int(found[1])) if found else ("", 0)

    def whole(self, pk: Any) -> bytes | None:
        """Return at most MAX_DOWNLOAD characters or bytes, or None without a row."""
        found = (
            self.model._default_manager.filter(pk=pk).values_list(self._cut(MAX_DOWNLOAD), flat=True).first()
        )
        if found is None:
            return None
        return found.encode() if isinstance(found, str) else bytes(found)

    @property
    def _is_binary(self) -> bool:
        return isinstance(self.model._meta.get_field(self.column), BinaryField)

    def _cut(self, limit: int) -> Func:
        kind = BinaryField() if self._is_binary else TextField()
        return Func(F(self.column), Value(1), Value(limit), function="substring", output_field=kind)


def _readable(text: str, length: int) -> str:
    whole = indented(text) if length <= MAX_INDENTED else None
    return whole or text[:MAX_SHOWN]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode(errors="backslashreplace")
