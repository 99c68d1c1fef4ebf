from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "atoll.identity"
    label = "atoll_identity"
    verbose_name = "Identity"

    def ready(self) -> None:
        from django.apps import apps
        from django.contrib.auth.signals import user_logged_in

        from atoll.client import own_token
        from atoll.identity import copies, service_token
        from atoll.identity.foreign.trusted import trusted
        from atoll.identity.oidc import configuration

        if apps.is_installed("drf_spectacular"):
            # REST framework must be complete before drf-spectacular can be imported.
            from atoll.identity import openapi  # noqa: F401
        trusted()
        if configuration.outside_issuer():
            configuration.client_secret()
        user_logged_in.connect(copies.on_sign_in, dispatch_uid="atoll_identity.copies")
        own_token.supply(service_token)
