from django.urls import path

from services.payments.api.views import PaymentsView, PaymentView

urlpatterns = [
    path("payments", PaymentsView.as_view()),
    path("payments/<id:payment_id>", PaymentView.as_view()),
]
