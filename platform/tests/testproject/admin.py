from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from atoll.admin import ModelAdmin, ReadOnlyAdmin, register_page, register_tile
from atoll.admin.confirming import asks_first
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import CATALOGUE, SUPPORT
from testproject.models import Note, Stamp


@admin.register(Note)
class NoteAdmin(ModelAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, CATALOGUE), "add": (SUPPORT,), "change": (SUPPORT,)}
    list_display = ("text", "price_paid", "is_pinned", "created_at")
    list_filter = ("is_pinned", ("created_at", TimeFilter))
    search_fields = ("text",)
    ask_before_off: ClassVar = {"is_pinned": "It is no longer at the top."}
    actions = ("unpin",)

    def affected(self, rows: QuerySet[Note]) -> list[str]:
        return [f"Pinned among them: {rows.filter(is_pinned=True).count()}."]

    @admin.action(description="Unpin", permissions=["change"])
    @asks_first(warning="They are no longer at the top.", button="Unpin")
    def unpin(self, request: HttpRequest, queryset: QuerySet[Note]) -> None:
        count = queryset.update(is_pinned=False)
        self.message_user(request, f"{count} unpinned: {request.POST.get('reason')}")


@admin.register(Stamp)
class StampAdmin(ReadOnlyAdmin):
    """No rights declared: an administrator's alone."""

    list_display = ("name",)


def shelf(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Shelf of {request.user.get_username()}")


register_page(
    "testproject",
    "shelf/",
    shelf,
    name="testproject_shelf",
    permission="testproject.view_note",
    title="Shelf",
)
register_page("testproject", "cellar/", shelf, name="testproject_cellar", permission="testproject.view_note")
register_tile("Notes", Note.objects.count, url_name="admin:testproject_note_changelist")
register_tile("Pinned", lambda: Note.objects.filter(is_pinned=True).count(), alarming=True)
