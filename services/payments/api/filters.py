"""Filters of the list of payments."""

from django_filters import rest_framework as filters

from atoll import money
from services.payments.models import Payment


class PaymentFilter(filters.FilterSet):
    """An unknown filter is an error: without it the client would get more payments than it asked for."""

    status = filters.ChoiceFilter(choices=Payment.Status.choices)
    orderId = filters.UUIDFilter(field_name="order_id")  # noqa: N815
    userId = filters.UUIDFilter(field_name="user_id")  # noqa: N815
    currency = filters.ChoiceFilter(choices=[(code, code) for code in sorted(money.PLACES)])
    createdAfter = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")  # noqa: N815
    createdBefore = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")  # noqa: N815

    class Meta:
        model = Payment
        fields: tuple[str, ...] = ()
