from django.db import models


class Note(models.Model):
    """Something to create, list and count."""

    text = models.CharField(max_length=200)
    price_paid = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    is_pinned = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.text


class Stamp(models.Model):
    """Something staff may only look at."""

    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name
