"""The times that an order and its compensations are given."""

from datetime import timedelta

from django.conf import settings


def time_allowed() -> timedelta:
    """From the placing of an order to its deadline."""
    return timedelta(seconds=settings.ORDER_DEADLINE_S)


def time_to_compensate() -> timedelta:
    """From the request for a compensation to its deadline."""
    return timedelta(seconds=settings.COMPENSATION_DEADLINE_S)
