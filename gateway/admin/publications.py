"""Every routing table that was published, newest first."""

from typing import ClassVar

from django.contrib import admin

from atoll.admin import ReadOnlyAdmin, register_tile
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from gateway.models import Publication


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("version", "created_at", "by", "routes")
    list_filter = ("created_at",)
    search_fields = ("by",)
    search_help_text = "Who published"
    date_hierarchy = "created_at"

    @admin.display(description="routes")
    def routes(self, publication: Publication) -> str:
        return ", ".join(route["name"] for route in publication.document["routes"])


register_tile(
    "Table version",
    lambda: getattr(Publication.objects.first(), "version", 0),
    url_name="admin:gateway_publication_changelist",
)
