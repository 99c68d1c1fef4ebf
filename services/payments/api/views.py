"""The HTTP API of payments. It only reads; orders and staff change payments by commands."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.identity import Principal
from atoll.identity.drf import IsSignedIn, principal
from services.payments.api.filters import PaymentFilter
from services.payments.api.serializers import PaymentSerializer
from services.payments.models import Payment
from services.payments.selectors import find_payment, payments_of


def _owner(caller: Principal) -> UUID | None:
    """The user whose payments the caller may see; None: all users, for support."""
    return None if caller.is_support else caller.uuid


class PaymentsView(ListAPIView[Payment]):
    """The caller's payments, newest first; for support the payments of all users."""

    permission_classes = (IsSignedIn,)
    serializer_class = PaymentSerializer
    filterset_class = PaymentFilter
    queryset = Payment.objects.none()

    def get_queryset(self) -> QuerySet[Payment]:
        return payments_of(_owner(principal(self.request)))


class PaymentView(APIView):
    permission_classes = (IsSignedIn,)

    @extend_schema(responses=PaymentSerializer)
    def get(self, request: Request, payment_id: UUID) -> Response:
        """One payment; 404 for a payment of another user."""
        return Response(PaymentSerializer(find_payment(payment_id, owner=_owner(principal(request)))).data)
