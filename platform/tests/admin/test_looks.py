"""Badges, booleans, empty lists, titles and the history: the same on every page of an admin."""

import re
from pathlib import Path

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from testproject.models import Note

from atoll.admin.badges import badge

BACKEND = "atoll.identity.backends.AccountBackend"
NOTES = "/admin/testproject/note/"


@pytest.fixture
def admin(client, db):
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend=BACKEND)
    return client


class Shown(ModelAdmin):
    @badge(description="state", ordering="text", colours={"bad": "danger"})
    def state(self, value):
        return value


def state_of(value):
    return Shown.state(None, value)


class TestBadges:
    def test_a_pair_of_key_and_text_shows_the_text_in_the_colour_of_the_key(self):
        shown = state_of(("bad", "Gone <wrong>"))
        assert "Gone &lt;wrong&gt;" in shown
        assert "bg-red-100" in shown
        assert "bad" not in shown

    def test_a_key_alone_is_its_own_text(self):
        assert "bad" in state_of("bad")

    def test_an_unknown_key_is_grey(self):
        assert "bg-red-100" not in state_of(("other", "Other"))
        assert "Other" in state_of(("other", "Other"))

    @pytest.mark.parametrize("nothing", [None, "", "–"])
    def test_nothing_is_a_dash_without_a_badge(self, nothing):
        assert state_of(nothing) == "–"

    def test_the_column_can_be_sorted_and_has_its_name(self):
        assert (Shown.state.short_description, Shown.state.admin_order_field) == ("state", "text")


def test_no_is_not_red(admin):
    Note.objects.create(text="calm", is_pinned=False)
    page = admin.get(NOTES).content.decode()
    [no] = re.findall(r'<span class="([^"]+)" title="No">', page)
    assert "red" not in no


def test_the_word_of_a_boolean_is_for_screen_readers_alone(admin):
    """Unfold has no class for it: the word ran over its icon."""
    Note.objects.create(text="calm", is_pinned=True)
    page = admin.get(NOTES).content.decode()
    [hidden] = re.findall(r'<span class="([^"]+)">Yes</span>', page)
    sheet = finders.find("atoll/admin/atoll.css")
    assert re.search(rf"\.{hidden} {{[^}}]*clip-path: inset\(50%\)", Path(sheet).read_text())
    assert "atoll/admin/atoll.css" in page


def test_an_empty_list_offers_what_is_possible(admin):
    page = admin.get(NOTES).content.decode()
    assert "There is nothing here yet" in page and "Add note" in page and "Show all</a>" not in page
    page = admin.get(f"{NOTES}?q=nothing").content.decode()
    assert "No row fits the search" in page and "Show all" in page
    page = admin.get("/admin/testproject/stamp/").content.decode()
    assert "There is nothing here yet" in page
    assert "Add stamp" not in page and "Create a new item" not in page


def test_the_name_of_a_row_keeps_its_letters(admin):
    note = Note.objects.create(text="ada@example.com")
    page = admin.get(f"{NOTES}{note.pk}/change/").content.decode()
    assert "ada@example.com" in page
    assert "Ada@example.com" not in page


def test_the_history_has_old_and_new_values(admin):
    note = Note.objects.create(text="before", is_pinned=False)
    admin.post(f"{NOTES}{note.pk}/change/", {"text": "after", "price_paid": "2.00", "is_pinned": "on"})
    [entry] = LogEntry.objects.all()
    told = entry.get_change_message()
    assert "Text: before → after" in told
    assert "Is pinned: no → yes" in told
    page = admin.get(f"{NOTES}{note.pk}/history/").content.decode()
    assert "Text: before → after" in page


def test_the_first_link_of_a_page_leads_past_the_menu(admin):
    page = admin.get("/admin/").content.decode()
    body = page[page.index("<body") :]
    assert body.index('href="#main"') < body.index('id="nav-sidebar"')
    assert 'id="main"' in body
