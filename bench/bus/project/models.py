"""What a handler changes, and one row for every time it did."""

from django.db import models

ACCOUNTS = 100


class Account(models.Model):
    """Its row is locked by every handler that books on it."""

    total = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"account {self.pk}: {self.total}"


class Booking(models.Model):
    """An effect. ``number`` is not unique, so that a doubled effect can be counted."""

    number = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return str(self.number)
