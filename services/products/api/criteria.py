"""The query string of a list of products. An unknown filter is an error."""

from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from django.http import QueryDict
from rest_framework import serializers

from atoll import money
from atoll.api.fieldsets import FIELDS
from atoll.api.pagination import PARAMETERS
from atoll.api.queries import check_query
from atoll.api.serializers import StrictSerializer, validated
from services.products.models import CATEGORY_PATTERN, shop_currency
from services.products.search import Criteria, Ordering

NO_CRITERIA = (*PARAMETERS, FIELDS)
MAX_IDS = 100
SEARCH_MAX_CHARS = 200


class CriteriaSerializer(StrictSerializer):
    def get_fields(self) -> dict[str, Any]:
        return {
            "search": serializers.CharField(
                max_length=SEARCH_MAX_CHARS,
                required=False,
                allow_blank=True,
                help_text='Words, "a phrase", either OR or, -without. Near spellings when nothing matches.',
            ),
            "category": serializers.RegexField(CATEGORY_PATTERN, max_length=64, required=False),
            "currency": serializers.ChoiceField(
                sorted(money.PLACES),
                required=False,
                help_text="The currency of prices. Without it, minPrice and maxPrice mean the shop's.",
            ),
            "minPrice": _price("min_price"),
            "maxPrice": _price("max_price"),
            "inStock": serializers.BooleanField(source="in_stock", required=False),
            "isActive": serializers.BooleanField(
                source="is_active",
                required=False,
                help_text="false: inactive products, for the roles catalogue and support.",
            ),
            "ordering": serializers.ChoiceField(
                [ordering.value for ordering in Ordering],
                required=False,
                help_text=(
                    "The default is relevance with search, else name. By price: one currency after the "
                    "other, because prices in two currencies cannot be compared."
                ),
            ),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        low, high = attrs.get("min_price"), attrs.get("max_price")
        if low is not None or high is not None:
            currency = attrs.setdefault("currency", shop_currency())
            for name, price in (("minPrice", low), ("maxPrice", high)):
                _check_price(name, price, currency)
        if low is not None and high is not None and low > high:
            raise serializers.ValidationError({"minPrice": ["Must not be greater than maxPrice."]})
        return attrs


class ProductIdsSerializer(StrictSerializer):
    ids = serializers.CharField(
        required=False, help_text=f"Up to {MAX_IDS} ids, separated by commas, without other filters."
    )

    def validate_ids(self, value: str) -> list[UUID]:
        texts = value.split(",")
        if len(texts) > MAX_IDS:
            raise serializers.ValidationError(f"At most {MAX_IDS} ids.")
        id_field = serializers.UUIDField()
        return [id_field.run_validation(text.strip()) for text in texts]


def _price(source: str) -> serializers.DecimalField:
    return serializers.DecimalField(
        source=source,
        max_digits=money.DIGITS,
        decimal_places=money.DECIMALS,
        min_value=Decimal(0),
        required=False,
        help_text="An amount in ``currency``; finds only products in this currency.",
    )


def _check_price(name: str, price: Decimal | None, currency: str) -> None:
    try:
        money.check(price or Decimal(0), currency)
    except money.UnfitAmount as unfit:
        raise serializers.ValidationError({name: [str(unfit)]}) from None


def _read(kind: type[StrictSerializer], query: QueryDict) -> dict[str, Any]:
    check_query(query, _known(kind))
    given = {name: str(value) for name, value in query.dict().items() if name not in NO_CRITERIA}
    return dict(validated(kind, given))


@cache
def _known(kind: type[StrictSerializer]) -> frozenset[str]:
    return frozenset({*kind().fields, *NO_CRITERIA})


def read_ids(query: QueryDict) -> list[UUID] | None:
    """The ids in the query; None for a search."""
    if "ids" not in query:
        return None
    ids: list[UUID] = _read(ProductIdsSerializer, query)["ids"]
    return ids


def read_criteria(query: QueryDict) -> Criteria:
    values = _read(CriteriaSerializer, query)
    if "ordering" in values:
        values["ordering"] = Ordering(values["ordering"])
    return Criteria(**values)
