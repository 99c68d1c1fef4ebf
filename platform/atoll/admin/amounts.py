"""Amounts of money in an admin's lists. Only amounts of one currency are compared."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import F, Func, QuerySet, TextField
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeNumericFilter
from unfold.contrib.filters.forms import RangeNumericForm
from unfold.widgets import UnfoldAdminTextInputWidget

from atoll import money

__all__ = ["AmountFilter", "by_amount"]


def by_amount(field: str, *, currency: str = "currency") -> Func:
    """The ordering of a column of amounts: by currency first, then by amount."""
    return Func(F(currency), F(field), function="ROW", output_field=TextField())


class AmountFilter(RangeNumericFilter):
    """Filters by lower bound, upper bound and currency (``settings.SHOP_CURRENCY`` when empty).

    The model has a field ``currency`` beside the amount.
    """

    def init_used_parameters(self, params: dict[str, Any]) -> None:
        super().init_used_parameters(params)
        given = params.pop(self._name_of_currency, None)
        text = given[0] if isinstance(given, list) else given
        self.used_parameters[self._name_of_currency] = (text or "").strip().upper()

    def expected_parameters(self) -> list[str | None]:
        return [*super().expected_parameters(), self._name_of_currency]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Raises IncorrectLookupParameters for a currency that ISO 4217 does not have."""
        ends = (f"{self.parameter_name}_from", f"{self.parameter_name}_to")
        if not any(self.used_parameters.get(end) for end in ends):
            return queryset
        currency = self.used_parameters[self._name_of_currency] or settings.SHOP_CURRENCY
        if currency not in money.PLACES:
            raise IncorrectLookupParameters(f"{currency[:10]!r} is no currency.")
        narrowed: QuerySet[Any] | None = super().queryset(request, queryset.filter(currency=currency))
        return narrowed

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        name = self.parameter_name or ""
        form = RangeNumericForm(
            name=name,
            data={key: self.used_parameters.get(key) for key in self.expected_parameters() if key},
        )
        form.fields[self._name_of_currency] = forms.CharField(
            label="",
            required=False,
            max_length=3,
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": settings.SHOP_CURRENCY}),
        )
        yield {"request": self.request, "parameter_name": name, "form": form}

    @property
    def _name_of_currency(self) -> str:
        return f"{self.parameter_name}_currency"
