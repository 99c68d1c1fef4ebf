"""The history: every routing table that was published, newest first."""

import json
from typing import ClassVar

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from atoll.admin import ReadOnlyAdmin, register_tile
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from gateway.models import Publication
from gateway.usecases.publish import draft

SHOWN_IN_LIST = 3


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR), "publish": (OPERATOR,)}
    list_display = ("version", "at", "by", "why", "what")
    list_filter = (("created_at", TimeFilter),)
    search_fields = ("by", "why")
    search_help_text = "Who published, or why"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": ("version", "at", "by", "why", "restored", "changed", "bring_back")}),
        ("The whole table", {"fields": ("table",), "classes": ("collapse",)}),
    )

    @admin.display(description="when (UTC)", ordering="created_at")
    def at(self, publication: Publication) -> str:
        return f"{publication.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="what changed")
    def what(self, publication: Publication) -> SafeString | str:
        told = publication.changes[:SHOWN_IN_LIST]
        more = len(publication.changes) - len(told)
        lines = format_html_join("", "<div>{}</div>", ((text,) for text in told))
        last = format_html("<div>and {} more</div>", more) if more else ""
        return format_html("<div>{}{}</div>", lines, last) if told else "–"

    @admin.display(description="what changed")
    def changed(self, publication: Publication) -> SafeString | str:
        rows = ((text,) for text in publication.changes)
        return format_html_join("", "<div>{}</div>", rows) or "Nothing that a gateway reads."

    @admin.display(description="brings back")
    def restored(self, publication: Publication) -> SafeString | str:
        if publication.restores is None:
            return "–"
        address = reverse("admin:gateway_publication_change", args=[publication.restores])
        return format_html('<a href="{}">version {}</a>', address, publication.restores)

    @admin.display(description="restore")
    def bring_back(self, publication: Publication) -> SafeString | str:
        if publication == Publication.objects.first():
            return "This is the version in use."
        address = f"{reverse('admin:gateway_restore')}?version={publication.version}"
        return format_html('<a href="{}">Bring this version back …</a>', address)

    @admin.display(description="document")
    def table(self, publication: Publication) -> SafeString:
        written = json.dumps(publication.document, indent=2, ensure_ascii=False)
        return format_html('<pre class="page-code">{}</pre>', written)


register_tile(
    "Table version",
    lambda: getattr(Publication.objects.first(), "version", 0),
    url_name="admin:gateway_publication_changelist",
)
register_tile("Unpublished changes", lambda: len(draft().changes()), url_name="admin:gateway_review")
