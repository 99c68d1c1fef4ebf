from typing import ClassVar

from django.contrib import admin

from atoll.admin import ReadOnlyAdmin
from atoll.admin.times import TimeFilter
from atoll.api.models import IdempotencyRecord
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    """The keys that were used, by which principal, and with which status. Stored answers are not shown."""

    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("key", "principal", "method", "route", "status", "created_at")
    list_filter = ("route", "status", ("created_at", TimeFilter))
    search_fields = ("key", "principal")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    fields = ("key", "principal", "method", "route", "status", "fingerprint", "created_at")
