from django.apps import AppConfig


class ProductsConfig(AppConfig):
    name = "services.products"
    label = "products"
    verbose_name = "Atoll products"
    default_auto_field = "django.db.models.BigAutoField"
