"""Keys, credentials and sign-ins in the admin."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from services.users.models import RefreshFamily, ServiceCredential, SigningKey, User
from services.users.tests.browsing import run

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
ACCOUNTS = "admin:users_user_changelist"


class TestKeys:
    def test_an_admin_rotates_the_signing_key(
        self, admin: Client, make_user: Make, signed_in: Callable[..., Any]
    ) -> None:
        signed_in(make_user())
        coming = SigningKey.objects.get(status="next")

        chosen = {"action": "rotate", "_selected_action": [str(coming.pk)]}
        asked = admin.post(reverse("admin:users_signingkey_changelist"), chosen).content.decode()
        assert "nobody is signed out" in asked
        coming.refresh_from_db()
        assert coming.status == "next"

        page = run(admin, "admin:users_signingkey_changelist", "rotate", coming).content.decode()

        assert "signs from now on" in page
        coming.refresh_from_db()
        assert coming.status == "current"
        again = run(admin, "admin:users_signingkey_changelist", "rotate", coming).content.decode()
        assert "not every service knows it" in again

    def test_staff_cannot(self, staff: Client, make_user: Make, signed_in: Callable[..., Any]) -> None:
        signed_in(make_user())
        coming = SigningKey.objects.get(status="next")

        run(staff, "admin:users_signingkey_changelist", "rotate", coming)

        coming.refresh_from_db()
        assert coming.status == "next"

    def test_the_private_half_is_not_shown(self, admin: Client, make_user: Make, signed_in: Any) -> None:
        signed_in(make_user())
        key = SigningKey.objects.get(status="current")

        page = admin.get(reverse("admin:users_signingkey_change", args=[key.pk])).content.decode()

        assert key.kid in page
        assert bytes(key.private_pem_encrypted).decode()[:40] not in page
        assert "PRIVATE" not in page


class TestCredentials:
    CREDENTIALS = "admin:users_servicecredential_changelist"

    def test_a_new_secret_is_shown_once_and_works(self, admin: Client, client: Any) -> None:
        page = admin.post(
            reverse("admin:users_servicecredential_add"), {"service": "report-service"}, follow=True
        ).content.decode()

        shown = re.search(r'data-secret-of="report-service">([^<]+)<', page)
        assert shown is not None
        secret = shown[1]
        credential = ServiceCredential.objects.get()
        for url in (
            reverse(self.CREDENTIALS),
            reverse("admin:users_servicecredential_change", args=[credential.pk]),
        ):
            assert secret not in admin.get(url).content.decode()
        answer = client.post("/auth/service-token", {"clientId": "report-service", "clientSecret": secret})
        assert answer.status_code == 200

        chosen = {"action": "withdraw", "_selected_action": [str(credential.pk)]}
        asked = admin.post(reverse(self.CREDENTIALS), chosen).content.decode()
        assert "they cannot call other services any more" in asked
        assert "report-service used its secret last" in asked
        credential.refresh_from_db()
        assert credential.is_active

        run(admin, self.CREDENTIALS, "withdraw", credential)
        answer = client.post("/auth/service-token", {"clientId": "report-service", "clientSecret": secret})
        assert answer.status_code == 401

    @pytest.mark.parametrize("name", ["Report Service", "../x", ""])
    def test_a_bad_name_is_told_in_the_form(self, admin: Client, name: str) -> None:
        answer = admin.post(reverse("admin:users_servicecredential_add"), {"service": name})

        assert answer.status_code == 200
        assert not ServiceCredential.objects.exists()

    def test_a_secret_that_the_service_has_already_works_and_is_shown_nowhere(
        self, admin: Client, client: Any
    ) -> None:
        secret = "4f1c9a7be02d4c58a3d6e17f90b2c4d5"
        page = admin.post(
            reverse("admin:users_servicecredential_add"),
            {"service": "report-service", "secret": secret},
            follow=True,
        ).content.decode()

        assert secret not in page
        assert "may use the secret that you gave" in page
        answer = client.post("/auth/service-token", {"clientId": "report-service", "clientSecret": secret})
        assert answer.status_code == 200

    @pytest.mark.parametrize("weak", ["short", "a" * 64, "4f1c9a7be02d4c58a3d6e17f90b2c4d x"])
    def test_a_secret_that_could_be_guessed_is_told_in_the_form(self, admin: Client, weak: str) -> None:
        sent = {"service": "report-service", "secret": weak}
        answer = admin.post(reverse("admin:users_servicecredential_add"), sent)

        assert "Use at least 32" in answer.content.decode()
        assert not ServiceCredential.objects.exists()

    def test_staff_issue_nothing(self, staff: Client) -> None:
        assert staff.post(reverse("admin:users_servicecredential_add"), {"service": "x"}).status_code == 403
        assert not ServiceCredential.objects.exists()


class TestSessions:
    def test_an_admin_ends_a_sign_in(
        self, admin: Client, make_user: Make, signed_in: Callable[..., Any], client: Any
    ) -> None:
        token = signed_in(make_user())["refreshToken"]

        run(admin, "admin:users_refreshfamily_changelist", "end", RefreshFamily.objects.get(in_browser=False))

        assert client.post("/auth/refresh", {"refreshToken": token}).status_code == 403


@pytest.mark.parametrize("model", ["user", "signingkey", "servicecredential", "refreshfamily"])
def test_every_list_and_page_opens(
    admin: Client, make_user: Make, signed_in: Callable[..., Any], model: str
) -> None:
    from services.users.usecases.issue_credential import issue_credential

    signed_in(make_user())
    issue_credential("order-service")
    row = {
        "user": User,
        "signingkey": SigningKey,
        "servicecredential": ServiceCredential,
        "refreshfamily": RefreshFamily,
    }[model].objects.first()

    assert admin.get(reverse(f"admin:users_{model}_changelist")).status_code == 200
    assert admin.get(reverse(f"admin:users_{model}_change", args=[row.pk])).status_code == 200
