"""Credentials in the admin: a secret is shown once, and only administrators issue and revoke."""

import re

import pytest

from registry.models import Credential, JournalEntry
from registry.tests.conftest import SERVICE
from registry.tests.credentials import accepted
from registry.tests.test_admin import page
from registry.usecases.credentials import ensure, issue

pytestmark = pytest.mark.django_db

CREDENTIALS = "/admin/registry/credential/"


def test_an_issued_secret_is_shown_once_and_works(chief):
    answer = chief.post(f"{CREDENTIALS}add/", {"service": SERVICE, "label": "blue"})
    secret = re.search(r'<code id="secret"[^>]*>([^<]+)</code>', page(answer))[1]

    assert "no-store" in answer["Cache-Control"]
    assert Credential.objects.get(pk=accepted(SERVICE, secret).pk).label == "blue"
    assert secret not in page(chief.get(CREDENTIALS))
    assert secret not in page(chief.get(f"{CREDENTIALS}{Credential.objects.get().pk}/change/"))


def test_a_name_no_service_can_have_gets_no_credential(chief):
    assert "Lower-case letters" in page(chief.post(f"{CREDENTIALS}add/", {"service": "Order Service"}))
    assert Credential.objects.count() == 0


BROUGHT = "4f1c9a7be02d4c58a3d6e17f90b2c4d5"


def test_a_secret_that_the_service_has_already_is_accepted_and_shown_nowhere(chief):
    sent = {"service": "report-service", "label": "node", "secret": f" {BROUGHT} "}
    shown = page(chief.post(f"{CREDENTIALS}add/", sent, follow=True))

    assert BROUGHT not in shown
    assert "may use the secret that you gave" in shown
    assert accepted("report-service", BROUGHT).service == "report-service"


@pytest.mark.parametrize(
    "weak", ["too-short-to-be-a-secret", "a" * 64, "abc" * 20, BROUGHT[:-1] + " x", "ü" * 40]
)
def test_a_secret_that_could_be_guessed_or_not_be_sent_is_refused(chief, weak):
    sent = {"service": "report-service", "label": "", "secret": weak}

    assert "Use " in page(chief.post(f"{CREDENTIALS}add/", sent))
    assert Credential.objects.count() == 0


def test_a_secret_that_another_service_has_is_refused(chief):
    ensure(SERVICE, BROUGHT, actor="test")
    sent = {"service": "report-service", "label": "", "secret": BROUGHT}

    assert "exists, or was revoked" in page(chief.post(f"{CREDENTIALS}add/", sent))
    assert Credential.objects.get().service == SERVICE


def test_only_admins_issue_and_revoke(staff):
    credential, secret = issue(SERVICE, actor="test")

    assert staff.get(f"{CREDENTIALS}add/").status_code == 403
    staff.post(
        CREDENTIALS,
        {"action": "revoke_selected", "confirmed": "revoke_selected", "_selected_action": [credential.pk]},
    )
    accepted(SERVICE, secret)


def test_revoking_ends_a_secret(chief):
    credential, _ = issue(SERVICE, actor="test")

    chief.post(
        CREDENTIALS,
        {"action": "revoke_selected", "confirmed": "revoke_selected", "_selected_action": [credential.pk]},
    )
    credential.refresh_from_db()
    assert credential.revoked_at is not None
    assert JournalEntry.objects.filter(kind="credential_revoked").count() == 1
