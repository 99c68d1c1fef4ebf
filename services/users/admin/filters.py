"""Filters of the list of accounts."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from atoll.identity.roles import ROLES
from services.users.models import User

NO_ROLE = "none"


class RoleFilter(admin.SimpleListFilter):
    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((role, role) for role in ROLES), (NO_ROLE, "customer")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        if self.value() == NO_ROLE:
            return queryset.filter(roles=[])
        if self.value() in ROLES:
            return queryset.filter(roles__contains=[self.value()])
        return queryset
