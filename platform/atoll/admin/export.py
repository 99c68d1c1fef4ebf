"""Downloads of a list as CSV or JSON: the rows that the list shows with its filters and its search."""

import csv
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import FieldDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import BinaryField, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

log = logging.getLogger(__name__)

MAX_ROWS = 50_000
TOO_MANY = f"the list has more than {MAX_ROWS:,} rows. Narrow it by a filter, such as one of time."
ROWS_AT_ONCE = 1000
# A spreadsheet takes a text that begins with one of these as a formula.
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class TooManyRows(Exception):
    """The list has more than MAX_ROWS rows."""


class _Echo:
    """The writable that ``csv`` wants; a line goes to the answer and not into a file."""

    def write(self, line: str) -> str:
        return line


def download(admin: Any, request: HttpRequest, rows: QuerySet[Any], form: str) -> StreamingHttpResponse:
    """Stream the rows as ``form``, a key of FORMS. Raises TooManyRows before the first one.

    A download is complete or refused: a part of a list that looks like the whole is worse than none.
    """
    if rows.order_by()[: MAX_ROWS + 1].count() > MAX_ROWS:
        raise TooManyRows
    content_type, write = FORMS[form]
    names = columns(admin, request)
    values = rows.prefetch_related(None).values_list(*names).iterator(chunk_size=ROWS_AT_ONCE)
    name = f"{admin.opts.verbose_name_plural}-{timezone.now():%Y%m%dT%H%M%SZ}.{form}".replace(" ", "-")
    log.info(
        "a list is exported",
        extra={"by": request.user.get_username(), "list": admin.opts.label, "form": form},
    )
    answer = StreamingHttpResponse(write(names, values), content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer


def columns(admin: Any, request: HttpRequest) -> list[str]:
    """The columns of the model that the list or the page of a row shows, and ``also_exported``.

    A method of the admin class counts as the column by which it is sorted. Secrets and large bodies are
    never among them.
    """
    row_page = flatten_fieldsets(admin.get_fieldsets(request, admin.model()))
    named = [_column(admin, one) for one in ("pk", *admin.get_list_display(request), *row_page)]
    wanted = [one for one in (*named, *admin.also_exported) if one]
    hidden = {*admin.secret_fields, *admin.never_exported}
    return [one for one in dict.fromkeys(wanted) if one.split(LOOKUP_SEP)[0] not in hidden]


def _column(admin: Any, name: Any) -> str:
    """The path of a column, or "" when the model has none of that name."""
    if callable(name):
        return ""
    method = getattr(admin, name, None)
    path = getattr(method, "admin_order_field", None) if callable(method) else name
    if not isinstance(path, str):
        return ""
    path = path.removeprefix("-")
    model, field = admin.model, None
    for step in path.split(LOOKUP_SEP):
        try:
            field = model._meta.pk if step == "pk" else model._meta.get_field(step)
        except FieldDoesNotExist:
            return ""
        model = field.related_model
    if field is None or not field.concrete or field.many_to_many or isinstance(field, BinaryField):
        return ""
    return field.name if LOOKUP_SEP not in path else path


def _csv(columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """The value as one cell. A text that a spreadsheet would run gets a quotation mark before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(STARTS_A_FORMULA) else value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return _cell(json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False))
    return value


def _json(columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    """An array of objects, one a line."""
    before = "["
    for row in rows:
        yield f"{before}\n{json.dumps(dict(zip(columns, row, strict=True)), cls=DjangoJSONEncoder)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


FORMS: dict[str, tuple[str, Callable[..., Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "json": ("application/json", _json),
}
