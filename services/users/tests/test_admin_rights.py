"""The roles for each page of the admin of users, and the roles that an administrator gives."""

import pytest
from django.test import Client

from atoll.testing.rights import ANY_STAFF, ANYBODY, API_PAGES, BUS_PAGES, model_pages, walk

# Some three hundred pages: on a busy machine they take their time.
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

PAGES = {
    **ANY_STAFF,
    **API_PAGES,
    **BUS_PAGES,
    **model_pages("users_user", view="support", add="support", change="support"),
    **model_pages("users_refreshfamily", view="support"),
    **model_pages("users_servicecredential", view="support", add=""),
    **model_pages("users_signingkey", view="support"),
    **model_pages("oauth2_provider_application", view="support"),
    "password_change": ANYBODY,
    "POST password_change": ANYBODY,
    "password_change_done": ANYBODY,
    "users.refreshfamily: end": "",
    "users.servicecredential: issue": "",
    "users.servicecredential: withdraw": "",
    "users.signingkey: rotate": "",
    "users.user: activate": "support",
    "users.user: deactivate": "support",
    "users.user: delete_accounts": "",
    "users.user: end_sessions": "support",
}


@pytest.fixture
def sign_in(make_user):
    def make(role):
        client = Client()
        client.force_login(make_user(f"{role}@example.com", roles=(role,)))
        return client

    return make


def test_every_page_form_and_action_is_for_its_roles(sign_in):
    assert walk(sign_in) == PAGES
