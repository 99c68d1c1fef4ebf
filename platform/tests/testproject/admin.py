from django.contrib import admin

from atoll.admin import ModelAdmin, ReadOnlyAdmin, register_tile
from testproject.models import Note, Stamp


@admin.register(Note)
class NoteAdmin(ModelAdmin):
    list_display = ("text", "price_paid", "is_pinned", "created_at")
    list_filter = ("is_pinned",)
    search_fields = ("text",)


@admin.register(Stamp)
class StampAdmin(ReadOnlyAdmin):
    list_display = ("name",)


register_tile("Notes", Note.objects.count, url_name="admin:testproject_note_changelist")
register_tile("Pinned", lambda: Note.objects.filter(is_pinned=True).count(), alarming=True)
