"""Session ids: those that were given out, and those that were made up."""

import string

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from atoll.identity.sessions import SessionStore

pytestmark = pytest.mark.django_db

MADE_UP = [
    "x" * 32, "a" * 40, "0123456789" * 4, "", "é" * 40, "a" * 20 + "A" * 20, "x" * 4000, "\\000" * 10,
]  # fmt: skip


def stored() -> SessionStore:
    session = SessionStore()
    session["seen"] = 1
    session.save()
    return session


def test_a_session_is_found_again_by_its_id():
    key = stored().session_key
    assert len(key) == 40
    assert set(key) <= set(string.ascii_lowercase + string.digits)
    assert SessionStore(key)["seen"] == 1


@pytest.mark.parametrize("key", MADE_UP)
def test_an_id_that_was_made_up_costs_no_query(django_assert_num_queries, key):
    with django_assert_num_queries(0):
        assert SessionStore(key).get("seen") is None
        assert SessionStore(key).session_key is None


def test_an_id_with_one_changed_character_is_made_up(django_assert_num_queries):
    key = stored().session_key
    for position in range(40):
        changed = key[:position] + ("1" if key[position] == "0" else "0") + key[position + 1 :]
        with django_assert_num_queries(0):
            assert SessionStore(changed).get("seen") is None


def test_an_id_of_another_project_is_made_up(settings, django_assert_num_queries):
    key = stored().session_key
    settings.SECRET_KEY = "another project's key"
    with django_assert_num_queries(0):
        assert SessionStore(key).get("seen") is None


def test_sessions_outlive_a_new_secret_key_while_the_former_is_named(settings):
    key = stored().session_key
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next key"
    assert SessionStore(key).session_key == key


def test_an_ended_session_stays_ended():
    session = stored()
    key = session.session_key
    session.flush()
    assert SessionStore(key).get("seen") is None
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/oidc/signed-out", "/docs", "/health/live", "/admin/nowhere/"]
)
def test_pages_for_anybody_ask_the_database_nothing(
    client: Client, settings, django_assert_num_queries, path
):
    for key in MADE_UP:
        client.cookies[settings.SESSION_COOKIE_NAME] = key
        with django_assert_num_queries(0):
            client.get(path)
