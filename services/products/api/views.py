"""The HTTP API of products. Everybody may read; the role catalogue may write."""

from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.api.fieldsets import fields_parameter, only, read_fields
from atoll.api.idempotency import IdempotentRequest, idempotent
from atoll.api.pagination import PageNumberPagination
from atoll.api.renderers import json_answer, render, rendered_answer
from atoll.errors import NotAllowed
from atoll.identity.drf import IsCatalogue, IsCatalogueOrReadOnly, principal, principal_or_none
from atoll.identity.roles import CATALOGUE, SUPPORT
from services.products.api.criteria import (
    MAX_IDS,
    CriteriaSerializer,
    ProductIdsSerializer,
    read_criteria,
    read_ids,
)
from services.products.api.serializers import (
    NewProductSerializer,
    ProductChangesSerializer,
    ProductSerializer,
    StockMovementSerializer,
)
from services.products.models import Product
from services.products.search import ROW
from services.products.selectors import Row, active_products, catalogue_page, product_page
from services.products.usecases.create_product import create_product
from services.products.usecases.delete_product import delete_product
from services.products.usecases.receive_stock import receive_stock
from services.products.usecases.update_product import update_product


def _may_see_inactive(request: Request) -> bool:
    caller = principal_or_none(request)
    return caller is not None and caller.holds_one_of(CATALOGUE, SUPPORT)


def _actor(request: Request) -> str:
    return f"user:{principal(request).id}"


class BatchPagination(PageNumberPagination):
    """A batch of ids is one page by default."""

    page_size = MAX_IDS


class ProductsView(GenericAPIView[Product]):
    permission_classes = (IsCatalogueOrReadOnly,)
    serializer_class = ProductSerializer
    queryset = Product.objects.none()
    filter_backends = ()

    @extend_schema(
        operation_id="products_list",
        parameters=[CriteriaSerializer, ProductIdsSerializer, fields_parameter()],
        responses=ProductSerializer(many=True),
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Search the catalogue, or read up to 100 products by id; the answer leaves out unknown ids."""
        fields = read_fields(request.query_params, ROW)
        ids = read_ids(request.query_params)
        if ids is not None:
            batch = BatchPagination()
            rows = batch.paginate_queryset(active_products(ids), request, self)
            return batch.get_paginated_response([only(fields, row) for row in rows])
        criteria = read_criteria(request.query_params)
        if not criteria.is_active and not _may_see_inactive(request):
            raise NotAllowed("Only the roles catalogue and support see products that left the catalogue.")
        pages = PageNumberPagination()

        def rendered(rows: list[Row]) -> bytes:
            return render([only(fields, row) for row in rows])

        pages.total, content = catalogue_page(criteria, fields, pages.window(request), rendered)
        return rendered_answer(content, pages.headers())

    @extend_schema(
        operation_id="products_create", request=NewProductSerializer, responses={201: ProductSerializer}
    )
    @idempotent
    def post(self, request: IdempotentRequest) -> Response:
        """Add a product; for the role catalogue."""
        given = NewProductSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with request.idempotency.transaction() as keep:
            product = create_product(**given.validated_data, actor=_actor(request))
            return keep(
                Response(
                    product_page(product.id, with_inactive=True),
                    status=status.HTTP_201_CREATED,
                    headers={"Location": f"/products/{product.id}"},
                )
            )


class ProductView(APIView):
    permission_classes = (IsCatalogueOrReadOnly,)

    @extend_schema(responses=ProductSerializer)
    def get(self, request: Request, product_id: UUID) -> HttpResponseBase:
        """One product; the roles catalogue and support also see inactive products."""
        return json_answer(product_page(product_id, with_inactive=_may_see_inactive(request)))

    @extend_schema(request=ProductChangesSerializer(partial=True), responses=ProductSerializer)
    def patch(self, request: Request, product_id: UUID) -> Response:
        """Change the given fields; for the role catalogue."""
        given = ProductChangesSerializer(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        update_product(product_id, given.validated_data)
        return Response(product_page(product_id, with_inactive=True))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, product_id: UUID) -> Response:
        """Take the product out of the catalogue; open orders with this product continue."""
        delete_product(product_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class StockView(APIView):
    permission_classes = (IsCatalogue,)

    @extend_schema(request=StockMovementSerializer, responses=ProductSerializer)
    @idempotent
    def post(self, request: IdempotentRequest, product_id: UUID) -> Response:
        """Book pieces that came in, or went out for a negative amount; for the role catalogue."""
        given = StockMovementSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with request.idempotency.transaction() as keep:
            receive_stock(product_id, **given.validated_data, actor=_actor(request))
            return keep(Response(product_page(product_id, with_inactive=True)))
