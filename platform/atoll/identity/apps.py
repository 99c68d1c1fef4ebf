from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "atoll.identity"
    label = "atoll_identity"
    verbose_name = "Identity"
