"""Looking at a large text or at bytes without loading them: the database cuts them."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, BinaryField, F, Func, Model, TextField, Value

from atoll import wire

# Characters of a text, bytes of what is none.
SHOWN = 4000
# No message that is read is longer. Of what once was kept longer, the rest is for psql.
MAX_DOWNLOAD = wire.MAX_BYTES


@dataclass(frozen=True)
class Body:
    """A column of a model that may be large; ``of`` is where a row of the page holds its id."""

    model: type[Model]
    column: str
    of: str = "pk"

    def start(self, pk: Any) -> tuple[str, int]:
        """The first SHOWN characters or bytes, those as text, and how many there are in all."""
        counted = "octet_length" if self._is_binary else "length"
        length = Func(F(self.column), function=counted, output_field=BigIntegerField())
        found = self.model._default_manager.filter(pk=pk).values_list(self._cut(SHOWN), length).first()
        return (_text(found[0]), int(found[1])) if found else ("", 0)

    def whole(self, pk: Any) -> bytes | None:
        """At most MAX_DOWNLOAD of it; None when there is none."""
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


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode(errors="backslashreplace")
