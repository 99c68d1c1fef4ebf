"""The HTTP API of orders."""

from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED
from rest_framework.views import APIView

from atoll.api.fieldsets import FIELDS, fields_parameter, only, read_fields
from atoll.api.idempotency import IdempotentRequest, idempotent
from atoll.api.queries import check_query
from atoll.api.renderers import json_answer
from atoll.errors import InvalidInput, NotFound
from atoll.identity import Principal
from atoll.identity.drf import IsSignedIn, IsSignedInOrService, principal
from services.orders import selectors
from services.orders.api import answers
from services.orders.api.filters import OrderFilter
from services.orders.api.serializers import (
    CancelOrderSerializer,
    OrderDetailSerializer,
    OrderSerializer,
    PlaceOrderSerializer,
    SummarySerializer,
)
from services.orders.models import Order
from services.orders.usecases.advance import Origin
from services.orders.usecases.cancel_order import cancel_order
from services.orders.usecases.place_order import place_order
from services.orders.usecases.quote_order import quote_order, require_expected


def _owner(caller: Principal) -> UUID | None:
    """The user whose orders the caller may see; None: all users, for support."""
    return None if caller.is_support else caller.uuid


def _origin(caller: Principal) -> Origin:
    return Origin(actor=f"{'staff' if caller.is_support else 'user'}:{caller.id}")


class OrdersView(GenericAPIView[Order]):
    permission_classes = (IsSignedIn,)
    serializer_class = OrderSerializer
    query_parameters = (FIELDS,)
    filterset_class = OrderFilter
    queryset = Order.objects.none()

    def get_queryset(self) -> QuerySet[Order]:
        return selectors.orders_of(_owner(principal(self.request)))

    @extend_schema(parameters=[fields_parameter()], responses=OrderSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The caller's orders, newest first; for support the orders of all users.

        The list has no history, and at most 200 lines on a page: `items` is null for the other orders.
        """
        fields = read_fields(request.query_params, OrderSerializer.Meta.fields)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        if {"items", "item_count"} & fields:
            selectors.show_lines(page)
        return self.get_paginated_response([only(fields, answers.shown(order)) for order in page])

    @extend_schema(request=PlaceOrderSerializer, responses={201: OrderDetailSerializer})
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        """Place an order; it then becomes confirmed or cancelled by itself.

        With `expectedTotal` it is placed only at that total; otherwise the answer is 409
        `price_changed` with the new quote in `details`. The `Idempotency-Key` is not used up by that:
        ask again with it once the customer has agreed.
        """
        caller = principal(request)
        wish = PlaceOrderSerializer(data=request.data, context={"user_id": caller.uuid})
        wish.is_valid(raise_exception=True)
        quote = quote_order(caller.uuid, wish.requested_items)
        require_expected(quote, wish.expected)
        with request.idempotency.transaction() as keep:
            order = place_order(quote, wish.validated_data["payment_method"], _origin(caller))
            return keep(Response(answers.detail(order), status=HTTP_201_CREATED))


class OrderView(APIView):
    permission_classes = (IsSignedIn,)

    @extend_schema(responses=OrderDetailSerializer)
    def get(self, request: Request, order_id: UUID) -> HttpResponseBase:
        """One order with everything that happened to it."""
        order = selectors.find_order(order_id, owner=_owner(principal(request)))
        return json_answer(answers.detail(order))


class CancelOrderView(APIView):
    permission_classes = (IsSignedIn,)

    @extend_schema(request=CancelOrderSerializer, responses=OrderDetailSerializer)
    def post(self, request: Request, order_id: UUID) -> Response:
        """Cancel an open order. Cancelling it again changes nothing; a confirmed one is a conflict."""
        wish = CancelOrderSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        caller = principal(request)
        seen = selectors.find_order(order_id, owner=_owner(caller))
        by = "customer" if caller.id == str(seen.user_id) else "staff"
        cancel_order(order_id, _origin(caller), reason=wish.validated_data["reason"] or f"cancelled_by_{by}")
        return Response(answers.detail(selectors.find_order(order_id, owner=None)))


class SummaryView(APIView):
    permission_classes = (IsSignedInOrService,)

    @extend_schema(
        parameters=[OpenApiParameter("userId", UUID, description="The caller's own when absent.")],
        responses=SummarySerializer,
    )
    def get(self, request: Request) -> Response:
        """The number of a user's orders, their totals and the five newest."""
        check_query(request.query_params, {"userId"})
        caller = principal(request)
        asked = request.query_params.get("userId") or caller.id
        try:
            user_id = UUID(asked)
        except ValueError:
            raise InvalidInput("userId must be a user's id, a UUID.", details={"userId": asked}) from None
        if caller.is_user and not caller.is_support and caller.id != str(user_id):
            raise NotFound("You have no access to this user's orders.", code="user_not_found")
        return Response(SummarySerializer(selectors.summary_of(user_id)).data)
