"""The rules for the admin of every project, as a test suite.

Subclass ``AdminDoors`` in ``tests/test_doors.py`` of the project. It finds every list and page in
the admin site. A project with accounts of its own overrides ``make_administrator``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.hashers import make_password
from django.db.models import DateField, Field
from django.test import Client
from django.urls import reverse

from atoll import conf

__all__ = ["AdminDoors"]

YEARS = ("9999", "99999", "0", "-1")
PARTS = ("month", "day", "week_day", "quarter")
VALUES = ("9" * 40, "-1", "x", "'", "0" * 8, "[", "null", "2026-13-45", "99999-01-01", "1e999", "nan")
LOOKUPS = ("", "__exact", "__in", "__gte", "__isnull", "__year", "__range", "__nowhere")
GENERIC = (
    "o=99999999999999999999", "o=x.-1.1", "p=99999999999999999999", "p=-1", "p=x", "all=x", "e=1",
    "_facets=x", "_popup=1", "_to_field=nowhere", "_to_field=id&_popup=1", "nowhere=1", "pk__in=x,y",
    "id=1&id=2", "q=" + "x" * 5000, "q=" + "a+" * 3000, "q=%27%22%5C", "q=%00", "q=%ff", "id__exact=%ff",
)  # fmt: skip
IDS = ("0", "9" * 40, "x", "_5F", "0199a1b2-cdef-7abc-8def-abcdefabcdef", "%00", "a/b")
ID = "<path:object_id>"
FINE = frozenset({200, 302, 400, 403, 404, 405})


def fields(of: ModelAdmin[Any]) -> Iterator[Field[Any, Any]]:
    """The columns of a list's model that an address may name: by filter, hierarchy or as its key."""
    named: set[Any] = {
        entry[0] if isinstance(entry, tuple | list) else entry for entry in of.list_filter or ()
    }
    named |= {of.date_hierarchy, of.opts.pk.name}
    return (field for field in of.opts.concrete_fields if field.name in named)


def queries(of: ModelAdmin[Any]) -> Iterator[str]:
    yield from GENERIC
    for field in fields(of):
        if isinstance(field, DateField):
            yield from (f"{field.name}__year={year}" for year in YEARS)
            for part in PARTS:
                yield from (f"{field.name}__year=2026&{field.name}__{part}={value}" for value in ("0", "13"))
            this = date(2026, 2, 1)
            yield f"{field.name}__year={this.year}&{field.name}__month={this.month}&{field.name}__day=31"
            yield from (
                f"{field.name}_{end}_0=99999-99-99&{field.name}_{end}_1=99:99" for end in ("from", "to")
            )
        for number, lookup in enumerate(LOOKUPS):
            yield f"{field.name}{lookup}={VALUES[number % len(VALUES)]}"
        yield from (
            f"{field.name}_{end}={value}" for end in ("from", "to") for value in ("x", "1e999", "9" * 40)
        )


def own_lists() -> list[ModelAdmin[Any]]:
    """The lists of the project itself. The library's own suite tests those of the library."""
    found: list[ModelAdmin[Any]] = list(admin.site._registry.values())
    is_library = conf.project_name() == "library"
    return [of for of in found if is_library or not type(of).__module__.startswith("atoll.")]


def list_of(of: ModelAdmin[Any]) -> str:
    return reverse(f"admin:{of.opts.app_label}_{of.opts.model_name}_changelist")


def pages_of_one(of: ModelAdmin[Any], object_id: str) -> Iterator[str]:
    """Detail, history, deletion, downloads and actions of one row."""
    for pattern in of.get_urls():
        route = str(pattern.pattern)
        if ID in route:
            yield list_of(of) + route.replace(ID, object_id)


def is_fine(answer: Any) -> bool:
    """The answer is no crash, and a refusal is a page of ours without internals."""
    text = answer.content
    refused = answer.status_code < 400 or b"atoll/api/error.css" in text or b"Not for your role" in text
    return answer.status_code in FINE and refused and b"Traceback" not in text


@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
class AdminDoors:
    """Each method tests one rule on all pages of the project's admin."""

    backend = "atoll.identity.backends.AccountBackend"

    def make_administrator(self) -> Any:
        from django.contrib.auth.models import User

        return User.objects.create(
            username="walker", password=make_password(None), is_staff=True, is_superuser=True
        )

    @pytest.fixture
    def administrator(self, db: None) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(self.make_administrator(), backend=self.backend)
        return client

    def test_no_address_of_a_list_that_was_edited_by_hand_breaks_it(self, administrator: Client) -> None:
        broken = [
            f"{list_of(of)}?{query}"
            for of in own_lists()
            for query in queries(of)
            if not is_fine(administrator.get(f"{list_of(of)}?{query}"))
        ]
        assert broken == []

    def test_an_id_that_was_made_up_is_not_found(self, administrator: Client) -> None:
        broken = []
        for of in own_lists():
            for made_up in IDS:
                for path in pages_of_one(of, made_up):
                    for answer in (administrator.get(path), administrator.post(path, {"post": "yes"})):
                        if not is_fine(answer):
                            broken.append(f"{path}: {answer.status_code}")
        assert broken == []

    def test_no_selection_that_was_made_up_breaks_an_action(self, administrator: Client) -> None:
        broken = []
        for of in own_lists():
            path = list_of(of)
            for made_up in ("x", "9" * 40, "-1", str(UUID(int=0))):
                for action in ("delete_selected", "nowhere", *(of.actions or ())):
                    sent = {"action": action, "_selected_action": [made_up], "index": "0"}
                    answer = administrator.post(path, sent)
                    if not is_fine(answer):
                        broken.append(f"{path} {action} {made_up}: {answer.status_code}")
        assert broken == []
