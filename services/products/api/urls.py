from django.urls import path

from services.products.api.views import ProductsView, ProductView, StockView

urlpatterns = [
    path("products", ProductsView.as_view()),
    path("products/<id:product_id>", ProductView.as_view()),
    path("products/<id:product_id>/stock", StockView.as_view()),
]
