from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "services.orders"
    label = "orders"
    verbose_name = "Atoll orders"
    default_auto_field = "django.db.models.BigAutoField"
