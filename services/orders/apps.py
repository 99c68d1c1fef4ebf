from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "services.orders"
    label = "orders"
    verbose_name = "Atoll orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from atoll.bus.operations import at_stake
        from atoll.metrics import register_attention
        from services.orders.selectors import concerned, count_orders_with_failed_compensation

        at_stake.register("orders", concerned)
        register_attention("order", count_orders_with_failed_compensation)
