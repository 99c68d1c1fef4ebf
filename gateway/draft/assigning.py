"""Gives a row of the admin the values of a routing table."""

from collections.abc import Collection, Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from gateway.edge.routes.snapshot import InvalidConfiguration


def assign(row: models.Model, values: dict[str, Any], *, shown: Iterable[str]) -> None:
    """Set the fields of the row to those of the table; one of ``shown`` that it leaves out gets its default.

    Raises InvalidConfiguration for an unknown field.
    """
    fields = {field.name: field for field in row._meta.concrete_fields}
    absent = {name: fields[name].get_default() for name in shown if name not in values}
    for name, value in (absent | values).items():
        field = fields.get(name)
        if field is None or not field.editable or field.primary_key:
            raise InvalidConfiguration(f"{row._meta.verbose_name} '{row}': there is no field {name!r}.")
        setattr(row, name, "" if value is None and not field.null else value)


def check(row: models.Model, *, exclude: Collection[str] = ()) -> None:
    """Raises InvalidConfiguration for a value that its field does not take. Asks no database."""
    try:
        row.clean_fields(exclude)
    except ValidationError as error:
        raise InvalidConfiguration(problem(row, error)) from error


def save(row: models.Model) -> None:
    """Raises InvalidConfiguration with the row, the field and its problem."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise InvalidConfiguration(problem(row, error)) from error
    row.save()


def problem(row: models.Model, error: ValidationError) -> str:
    """The validation error as one sentence that names the row."""
    told = []
    for field, texts in error.message_dict.items():
        named = "" if field == "__all__" else f"{field}: "
        told += [f"{named}{text}" for text in texts]
    text = " ".join(told)
    return text if text.startswith(f"{type(row).__name__} '") else f"{row._meta.verbose_name} '{row}': {text}"
