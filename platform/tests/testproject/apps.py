from django.apps import AppConfig


class TestProjectConfig(AppConfig):
    name = "testproject"
    label = "testproject"
    verbose_name = "Library"
    default_auto_field = "django.db.models.BigAutoField"
