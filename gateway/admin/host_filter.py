"""Narrows the list of routes to one host that routes name, or to those for every host."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from gateway.models import Route

EVERY = "-"


class HostFilter(admin.SimpleListFilter):
    title = "host"
    parameter_name = "host"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        named = sorted({host for hosts in Route.objects.values_list("hosts", flat=True) for host in hosts})
        return [(EVERY, "every host"), *((host, host) for host in named)] if named else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(hosts=[]) if value == EVERY else queryset.filter(hosts__contains=[value])
