"""A column of values of one type."""

from typing import Any

from django.contrib.postgres.fields import ArrayField as DjangoArrayField


class ArrayField(DjangoArrayField):
    """Django's field, for projects that do not install ``django.contrib.postgres``.

    Django 6.1 refuses the field there. The field needs no part of that app, which asks PostgreSQL for the
    types of hstore and citext on its first connection.
    """

    def _check_postgres_installed(self, *_: Any) -> list[Any]:
        return []

    def deconstruct(self) -> Any:
        """As Django's field, so that migrations do not change."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.contrib.postgres.fields.ArrayField", args, kwargs
