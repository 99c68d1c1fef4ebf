"""Downloads of lists: complete, narrowed as the list is, and harmless in a spreadsheet."""

import csv
import io
import json

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse
from testproject.models import Note

from atoll.admin import export
from atoll.testing.admin_doors import list_of

pytestmark = pytest.mark.django_db

BACKEND = "atoll.identity.backends.AccountBackend"
NOTES = "/admin/testproject/note/"


@pytest.fixture
def account(client):
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend=BACKEND)
    return user


def body(response) -> str:
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def table(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body(response))))


@pytest.mark.usefixtures("account")
class TestOneList:
    def test_csv_has_the_columns_of_list_and_page_with_raw_values(self, client):
        note = Note.objects.create(text="Ada, the first", price_paid="1.50", is_pinned=True)
        answer = client.get(f"{NOTES}export/csv/")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"].startswith('attachment; filename="notes-')
        assert "no-store" in answer["Cache-Control"]
        head, row = table(answer)
        assert head == ["id", "text", "price_paid", "is_pinned", "created_at"]
        assert row == [str(note.pk), "Ada, the first", "1.50", "true", note.created_at.isoformat()]

    def test_json_is_an_array_with_the_same_rows(self, client):
        notes = [Note.objects.create(text=f"note {number} é") for number in range(3)]
        found = json.loads(body(client.get(f"{NOTES}export/json/?o=1")))
        assert [row["text"] for row in found] == [note.text for note in notes]
        assert set(found[0]) == {"id", "text", "price_paid", "is_pinned", "created_at"}

    def test_an_empty_list_is_a_document_too(self, client):
        assert json.loads(body(client.get(f"{NOTES}export/json/"))) == []
        assert len(table(client.get(f"{NOTES}export/csv/"))) == 1

    def test_search_filter_and_order_of_the_list_apply_and_its_pages_do_not(self, client):
        Note.objects.bulk_create(Note(text=f"keep {number:03}", is_pinned=True) for number in range(120))
        Note.objects.create(text="keep, not pinned")
        Note.objects.create(text="other", is_pinned=True)
        rows = table(client.get(f"{NOTES}export/csv/?q=keep&is_pinned__exact=1&o=-1&p=2"))[1:]
        assert [row[1] for row in rows] == [f"keep {number:03}" for number in reversed(range(120))]

    @pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
    def test_a_text_is_no_formula_in_a_spreadsheet(self, client, evil):
        Note.objects.create(text=evil, price_paid="-2.00")
        [_head, row] = table(client.get(f"{NOTES}export/csv/"))
        assert row[1] == f"'{evil}"
        assert row[2] == "-2.00"

    def test_a_list_that_is_too_long_is_refused_whole(self, client, monkeypatch):
        monkeypatch.setattr(export, "MAX_ROWS", 2)
        Note.objects.bulk_create(Note(text=str(number)) for number in range(3))
        answer = client.get(f"{NOTES}export/csv/?is_pinned__exact=0", follow=True)
        assert answer.redirect_chain == [(f"{NOTES}?is_pinned__exact=0", 302)]
        assert "Nothing was exported" in answer.content.decode()
        assert len(table(client.get(f"{NOTES}export/csv/?q=1"))) == 2

    @pytest.mark.parametrize(
        "place",
        ["export/xml/", "export/csv/?nowhere=1", "export/csv/?created_at_last=9y", "export/csv/?q=%00"],
    )
    def test_an_address_that_was_edited_by_hand_exports_nothing(self, client, place):
        Note.objects.create(text="a")
        assert client.get(NOTES + place).status_code == 400

    def test_the_list_links_to_the_download_of_what_it_shows(self, client):
        Note.objects.create(text="keep")
        page = client.get(f"{NOTES}?q=keep").content.decode()
        assert 'href="export/csv/?q=keep"' in page
        assert 'href="export/json/?q=keep"' in page


class TestRights:
    def test_who_may_not_see_a_list_may_not_export_it(self, client):
        staff = User.objects.create(username="eve", password=make_password(None), is_staff=True)
        client.force_login(staff, backend=BACKEND)
        Note.objects.create(text="a")
        assert client.get(f"{NOTES}export/csv/").status_code == 403

    def test_a_visitor_is_sent_to_the_sign_in(self, client):
        answer = client.get(f"{NOTES}export/csv/")
        assert (answer.status_code, "/login/" in answer["Location"]) == (302, True)


def test_secret_and_hidden_columns_are_not_exported(account, monkeypatch):
    request = RequestFactory().get("/")
    request.user = account
    shown = django_admin.site.get_model_admin(Note)
    monkeypatch.setattr(shown, "list_display", ("text", "price_paid"))
    assert "price_paid" in export.columns(shown, request)
    monkeypatch.setattr(shown, "secret_fields", ("price_paid",))
    monkeypatch.setattr(shown, "never_exported", ("text",))
    assert {"price_paid", "text"}.isdisjoint(export.columns(shown, request))


@pytest.mark.usefixtures("account")
def test_every_list_can_be_exported_in_both_forms(client):
    for of in django_admin.site._registry.values():
        for form in export.FORMS:
            body(client.get(f"{list_of(of)}export/{form}/"))
            assert reverse(f"admin:{of.opts.app_label}_{of.opts.model_name}_export", args=[form])
