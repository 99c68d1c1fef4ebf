from django.urls import path

from services.orders.api.views import CancelOrderView, OrdersView, OrderView, SummaryView

urlpatterns = [
    path("orders", OrdersView.as_view()),
    path("orders/summary", SummaryView.as_view()),
    path("orders/<id:order_id>", OrderView.as_view()),
    path("orders/<id:order_id>/cancel", CancelOrderView.as_view()),
]
