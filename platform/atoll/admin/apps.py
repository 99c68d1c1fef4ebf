"""Two apps: Django's own admin with our site, and its templates."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AtollAdminConfig(AdminConfig):
    """Replaces ``django.contrib.admin``.

    Local rows of ``auth.User`` are copies of accounts of the users service, so Django's pages for
    editing them are removed.
    """

    default_site = "atoll.admin.sites.AtollAdminSite"

    def ready(self) -> None:
        super().ready()
        from django.contrib.auth.models import Group, User

        from atoll.admin import site

        for model in (User, Group):
            if site.is_registered(model) and _is_stock(type(site.get_model_admin(model))):
                site.unregister(model)


class AtollAdminPagesConfig(AppConfig):
    name = "atoll.admin"
    label = "atoll_admin"


def _is_stock(admin_class: type) -> bool:
    return admin_class.__module__ == "django.contrib.auth.admin"
