"""The row that a handler changes, and one row for each of its effects."""

from django.db import models

ACCOUNTS = 100


class Account(models.Model):
    """A row that every handler for this account locks."""

    total = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"account {self.pk}: {self.total}"


class Booking(models.Model):
    """One effect. ``number`` is not unique, so a doubled effect can be counted."""

    number = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return str(self.number)
