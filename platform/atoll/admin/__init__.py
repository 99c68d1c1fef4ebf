"""The admin site of every project, with one look, sign-in and set of rules.

``site`` is also ``django.contrib.admin.site``, so ``@admin.register`` works.
"""

from typing import TYPE_CHECKING, Any

from atoll.admin.front_parts import register_front_part
from atoll.admin.ids import short_id
from atoll.admin.journeys import journey_link, journey_url
from atoll.admin.pages import register_page
from atoll.admin.tiles import register_tile

if TYPE_CHECKING:
    from atoll.admin.options import ModelAdmin, ReadOnlyAdmin
    from atoll.admin.sites import AtollAdminSite

    site: AtollAdminSite

__all__ = [
    "ModelAdmin",
    "ReadOnlyAdmin",
    "journey_link",
    "journey_url",
    "register_front_part",
    "register_page",
    "register_tile",
    "short_id",
    "site",
]


def __getattr__(name: str) -> Any:
    # Settings import this package before Django knows its apps, and these names need the apps.
    if name == "site":
        from django.contrib import admin

        return admin.site
    if name in ("ModelAdmin", "ReadOnlyAdmin"):
        from atoll.admin import options

        return getattr(options, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
