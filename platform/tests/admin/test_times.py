"""Filters of lists by time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.formats import date_format
from testproject.models import Note

from atoll.admin.formats.en import formats

pytestmark = pytest.mark.django_db

NOTES = "/admin/testproject/note/"


@pytest.fixture(autouse=True)
def notes(client):
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend="atoll.identity.backends.AccountBackend")
    for text, age in (
        ("now", timedelta()),
        ("minutes", timedelta(minutes=20)),
        ("hours", timedelta(hours=5)),
        ("days", timedelta(days=3)),
        ("weeks", timedelta(weeks=3)),
    ):
        note = Note.objects.create(text=f"written {text} ago")
        Note.objects.filter(pk=note.pk).update(created_at=timezone.now() - age)


def shown(client, query: str) -> set[str]:
    page = client.get(f"{NOTES}{query}").content.decode()
    return {word for word in ("now", "minutes", "hours", "days", "weeks") if f"written {word} ago" in page}


@pytest.mark.parametrize(
    ("span", "found"),
    [
        ("5m", {"now"}),
        ("1h", {"now", "minutes"}),
        ("1d", {"now", "minutes", "hours"}),
        ("7d", {"now", "minutes", "hours", "days"}),
        ("", {"now", "minutes", "hours", "days", "weeks"}),
    ],
)
def test_a_span_ends_now(client, span, found):
    assert shown(client, f"?created_at_last={span}") == found


def test_a_span_and_an_earlier_end_apply_together(client):
    end = timezone.now() - timedelta(hours=1)
    query = f"?created_at_last=1d&created_at_to_0={end:%Y-%m-%d}&created_at_to_1={end:%H:%M:%S}"
    assert shown(client, query) == {"hours"}


def test_the_links_above_the_list_keep_the_search_and_mark_the_chosen_one(client):
    page = client.get(f"{NOTES}?q=written&created_at_last=1h").content.decode()
    assert 'href="?created_at_last=5m&amp;q=written"' in page
    assert 'href="?created_at_last=1h&amp;q=written" aria-current="true">last hour</a>' in page
    assert 'href="?q=written">any time</a>' in page


def test_an_unknown_span_is_refused_as_any_unknown_filter_is(client):
    answer = client.get(f"{NOTES}?created_at_last=9y")
    assert (answer.status_code, answer["Location"]) == (302, f"{NOTES}?e=1")


def test_times_say_their_zone():
    moment = datetime(2026, 11, 28, 19, 30, 1, tzinfo=UTC)
    assert date_format(moment, formats.DATETIME_FORMAT) == "2026-11-28 19:30:01 UTC"
