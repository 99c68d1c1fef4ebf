"""Users as the issuer of the admins' sign-in."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from oauth2_provider.models import Application, Grant

from atoll import conf
from services.users.models import RefreshFamily, ServiceCredential, SigningKey, User
from services.users.oidc.clients import store_client
from services.users.tests.browsing import PASSWORD, enter
from services.users.tests.oidc_client import (
    CALLBACK,
    CLIENT,
    ISSUER,
    REQUEST,
    SECRET,
    SIGNED_OUT,
    VERIFIER,
    authorize,
    claims_of,
    code_of,
    exchange,
    id_token,
    told,
)
from services.users.usecases.end_sessions import Because, end_all_sessions
from services.users.usecases.issue_credential import store_credential
from services.users.usecases.rotate_signing_key import rotate_signing_key
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db

Make = Callable[..., User]


@pytest.fixture(autouse=True)
def _clients(db: None) -> None:
    store_client(conf.project("orders"))
    store_credential(CLIENT, SECRET)


def is_in(browser: Client) -> bool:
    return bool(browser.get("/admin/").status_code == 200)


class TestDiscovery:
    def test_the_document_names_what_is_served(self, client: Client) -> None:
        answer = client.get("/.well-known/openid-configuration")
        document = answer.json()
        assert document["issuer"] == ISSUER
        assert document["code_challenge_methods_supported"] == ["S256"]
        assert document["response_types_supported"] == ["code"]
        assert document["end_session_endpoint"] == f"{ISSUER}/admin/oidc/logout"
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            path = document[name].removeprefix(ISSUER)
            assert client.get(path).status_code in {200, 302, 400, 405}, name

    def test_id_tokens_are_signed_by_the_published_keys_and_survive_a_rotation(
        self, staff: Client, client: Client
    ) -> None:
        def kids() -> list[str]:
            return [key["kid"] for key in client.get("/.well-known/jwks.json").json()["keys"]]

        before = id_token(staff)
        assert SigningKey.objects.get(status="current").kid in kids()
        rotate_signing_key()
        after = id_token(staff)
        assert claims_of(before)["sub"] == claims_of(after)["sub"]


class TestCodes:
    def test_an_id_token_says_who_signed_in_and_in_which_sign_in(self, staff: Client) -> None:
        claims = claims_of(id_token(staff))
        user = User.objects.get()
        sign_in = RefreshFamily.objects.get()
        assert (claims["sub"], claims["email"], claims["name"]) == (str(user.id), user.email, user.name)
        assert (claims["roles"], claims["nonce"], claims["sid"]) == (["support"], "nonce-1", str(sign_in.id))
        assert (sign_in.in_browser, claims["exp"] - claims["iat"]) == (True, 300)

    def test_state_and_issuer_come_back(self, staff: Client) -> None:
        answer = told(authorize(staff))
        assert (answer["state"], answer["iss"]) == ("state-1", ISSUER)

    def test_a_second_admin_gets_the_same_sign_in_without_a_form(self, staff: Client) -> None:
        assert claims_of(id_token(staff))["sid"] == claims_of(id_token(staff))["sid"]

    def test_a_visitor_signs_in_first_and_goes_on(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("support",))
        browser = Client()
        form = authorize(browser)["Location"]
        assert form.startswith("/admin/login/?next=/admin/oidc/authorize")

        answer = browser.post(form, {"username": "staff@example.com", "password": PASSWORD})

        assert told(browser.get(answer["Location"]))["state"] == "state-1"

    def test_with_prompt_none_a_visitor_is_told_to_the_client(self) -> None:
        answer = told(authorize(Client(), prompt="none"))
        assert (answer["error"], answer["state"]) == ("login_required", "state-1")

    def test_a_role_that_was_taken_opens_nothing(self, staff: Client) -> None:
        User.objects.update(roles=[])
        assert authorize(staff)["Location"].startswith("/admin/login/")

    @pytest.mark.parametrize(
        "changes",
        [
            {"redirect_uri": "https://evil.example/admin/oidc/callback"},
            {"redirect_uri": f"{CALLBACK}/"},
            {"redirect_uri": f"{CALLBACK}?next=x"},
            {"redirect_uri": f"{CALLBACK}#x"},
            {"redirect_uri": "http://testserver.evil.example/admin/oidc/callback"},
            {"redirect_uri": "http://testserver@evil.example/admin/oidc/callback"},
            {"redirect_uri": "HTTP://testserver/admin/oidc/callback"},
            {"redirect_uri": "/admin/oidc/callback"},
            {"redirect_uri": "javascript:alert(1)"},
            {"client_id": "stranger-service"},
            {"client_id": None},
        ],
        ids=str,
    )
    def test_a_foreign_address_or_client_gets_a_page_and_no_redirect(
        self, staff: Client, changes: dict[str, Any]
    ) -> None:
        answer = authorize(staff, **changes)
        assert answer.status_code == 400
        assert "is not registered for sign-in" in answer.content.decode()
        assert not Grant.objects.exists()

    @pytest.mark.parametrize(
        "changes",
        [
            {"code_challenge": None},
            {"code_challenge_method": "plain"},
            {"code_challenge_method": None},
            {"response_type": "token"},
            {"response_type": "id_token"},
            {"response_type": "code id_token"},
            {"scope": "openid everything"},
        ],
        ids=str,
    )
    def test_anything_but_a_code_with_s256_is_refused(self, staff: Client, changes: dict[str, Any]) -> None:
        answer = authorize(staff, **changes)
        assert (answer.status_code, "error=" in answer["Location"]) == (302, True)
        assert answer["Location"].startswith(CALLBACK)
        assert not Grant.objects.exists()

    def test_a_parameter_twice_is_refused(self, staff: Client) -> None:
        query = "&".join([f"{name}={value}" for name, value in REQUEST.items()] + ["client_id=x"])
        assert staff.get(f"/admin/oidc/authorize?{query}").status_code == 400

    def test_a_code_works_once(self, staff: Client) -> None:
        code = code_of(staff)
        assert exchange(code).status_code == 200
        again = exchange(code)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")

    def test_a_code_lives_for_a_minute(self, staff: Client) -> None:
        code = code_of(staff)
        with time_machine.travel(_later(61)):
            assert exchange(code).json()["error"] == "invalid_grant"

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_verifier": "w" * 64}, "invalid_grant"),
            ({"code_verifier": VERIFIER[:-1]}, "invalid_grant"),
            ({"code_verifier": None}, "invalid_request"),
            ({"redirect_uri": "http://testserver/elsewhere"}, "invalid_request"),
            ({"code": "made-up"}, "invalid_grant"),
            ({"code": None}, "invalid_request"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
            ({"grant_type": "refresh_token", "refresh_token": "x"}, "unsupported_grant_type"),
            ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "unsupported_grant_type"),
            ({"grant_type": None}, "unsupported_grant_type"),
        ],
        ids=str,
    )
    def test_a_bad_exchange_gives_nothing(self, staff: Client, changes: dict[str, Any], error: str) -> None:
        answer = exchange(code_of(staff), **changes)
        assert 400 <= answer.status_code < 500
        assert json.loads(answer.content)["error"] == error
        assert "id_token" not in answer.json()

    @pytest.mark.parametrize(
        "credential",
        ["", f"{CLIENT}:wrong", f"stranger-service:{SECRET}", f"{CLIENT}\0:{SECRET}", "no-colon"],
    )
    def test_a_client_without_its_credential_gets_nothing(self, staff: Client, credential: str) -> None:
        answer = exchange(code_of(staff), credential)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")

    def test_a_code_of_another_client_is_refused(self, staff: Client) -> None:
        store_client(conf.project("products"))
        store_credential("product-service", "another secret, just as long as the first")
        code = code_of(staff)
        answer = exchange(code, "product-service:another secret, just as long as the first")
        assert answer.json()["error"] == "invalid_grant"

    def test_a_withdrawn_credential_signs_nobody_in(self, staff: Client) -> None:
        code = code_of(staff)
        ServiceCredential.objects.update(is_active=False)
        assert exchange(code).status_code == 401

    def test_a_code_of_a_sign_in_that_ended_is_refused(self, staff: Client) -> None:
        code = code_of(staff)
        end_all_sessions(User.objects.get(), Because.STAFF)
        assert exchange(code).json()["error"] == "invalid_grant"

    def test_the_access_token_opens_nothing(self, staff: Client) -> None:
        given = exchange(code_of(staff)).json()
        for token in (given["access_token"], given["id_token"]):
            answer = Client().get("/users/me", headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 403
        assert "refresh_token" not in given


class TestClients:
    def test_each_project_is_registered_with_the_addresses_of_its_configuration(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not store_client(conf.project("orders"))
        monkeypatch.setenv("ORDERS_PUBLIC_URL", "https://orders.example, https://orders.other.example:8443")
        assert store_client(conf.project("orders"))
        stored = Application.objects.get(client_id=CLIENT)
        assert stored.redirect_uris.split() == [
            "https://orders.example/admin/oidc/callback",
            "https://orders.other.example:8443/admin/oidc/callback",
        ]
        assert not store_client(conf.project("orders"))

    def test_the_console_is_registered_at_the_gateway_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REGISTRY_PUBLIC_URL", "https://registry.example")
        monkeypatch.setenv("GATEWAY_PUBLIC_URL", "https://gateway.example")
        store_client(conf.project("registry"))
        assert Application.objects.get(client_id="registry").redirect_uris.split() == [
            "https://registry.example/admin/oidc/callback",
            "https://registry.example/console/oidc/callback",
            "https://gateway.example/console/oidc/callback",
        ]


class TestSigningOut:
    def test_a_client_signs_out_with_its_id_token_and_the_browser_returns(self, staff: Client) -> None:
        answer = staff.get(
            "/admin/oidc/logout",
            {"id_token_hint": id_token(staff), "post_logout_redirect_uri": SIGNED_OUT, "state": "s"},
        )
        assert (answer.status_code, answer["Location"]) == (302, f"{SIGNED_OUT}?state=s")
        assert not is_in(staff)
        sign_in = RefreshFamily.objects.get()
        assert sign_in.revoked_because == "signed out"
        marks = staff.get("/.well-known/revocations.json").json()["revoked"]
        assert f"sid:{sign_in.id}" in marks

    def test_an_expired_id_token_signs_out_too(self, staff: Client) -> None:
        token = id_token(staff)
        with time_machine.travel(_later(3600)):
            staff.get("/admin/oidc/logout", {"id_token_hint": token})
        assert not is_in(staff)

    @pytest.mark.parametrize("wanted", ["https://evil.example/", f"{SIGNED_OUT}/", "//evil.example", ""])
    def test_the_browser_returns_to_registered_addresses_alone(self, staff: Client, wanted: str) -> None:
        answer = staff.get(
            "/admin/oidc/logout", {"id_token_hint": id_token(staff), "post_logout_redirect_uri": wanted}
        )
        assert answer["Location"] == "/admin/oidc/signed-out"

    @pytest.mark.parametrize("hint", ["", "x", "a.b.c"])
    def test_without_an_id_token_the_page_asks_first(self, staff: Client, hint: str) -> None:
        page = staff.get("/admin/oidc/logout", {"id_token_hint": hint})
        assert page.status_code == 200
        assert "signed out of all admins" in page.content.decode()
        assert is_in(staff)
        assert staff.post("/admin/oidc/logout").status_code == 302
        assert not is_in(staff)

    def test_the_id_token_of_another_person_signs_nobody_out(self, staff: Client, make_user: Make) -> None:
        make_user("other@example.com", roles=("support",))
        foreign = id_token(enter("other@example.com")[0])
        assert staff.get("/admin/oidc/logout", {"id_token_hint": foreign}).status_code == 200
        assert is_in(staff)

    def test_the_button_of_this_admin_ends_the_sign_in(self, staff: Client) -> None:
        code_of(staff)
        assert staff.post("/admin/logout/")["Location"] == "/admin/oidc/signed-out"
        assert RefreshFamily.objects.get().revoked_at is not None
        assert not is_in(staff)
        assert staff.get("/admin/oidc/signed-out").status_code == 200

    def test_a_link_signs_nobody_out(self, staff: Client) -> None:
        assert staff.get("/admin/logout/").status_code == 405
        assert is_in(staff)


class TestLookingAtSignIns:
    def look(self, as_service: Callable[..., Any], sid: Any) -> Any:
        return as_service("order-service").get(f"/auth/sign-ins/{sid}")

    def test_services_ask_whether_a_sign_in_goes_on(
        self, staff: Client, atoll_as_service: Callable[..., Any], atoll_as_staff: Callable[..., Any]
    ) -> None:
        sid = claims_of(id_token(staff))["sid"]
        assert self.look(atoll_as_service, sid).json() == {"isActive": True}
        assert atoll_as_staff().get(f"/auth/sign-ins/{sid}").status_code == 403
        assert Client().get(f"/auth/sign-ins/{sid}").status_code == 401
        staff.post("/admin/logout/")
        assert self.look(atoll_as_service, sid).json() == {"isActive": False}

    @pytest.mark.parametrize(
        "change", [{"is_active": False}, {"roles": frozenset()}, {"password_hash": "!locked"}], ids=str
    )
    def test_a_change_of_the_account_ends_it(
        self, staff: Client, atoll_as_service: Callable[..., Any], change: dict[str, Any]
    ) -> None:
        sid = claims_of(id_token(staff))["sid"]
        update_user(User.objects.get().id, Changes(**change))
        assert self.look(atoll_as_service, sid).json() == {"isActive": False}

    def test_it_lasts_eight_hours(self, staff: Client, atoll_as_service: Callable[..., Any]) -> None:
        sid = claims_of(id_token(staff))["sid"]
        RefreshFamily.objects.update(expires_at=RefreshFamily.objects.get().created_at)
        assert self.look(atoll_as_service, sid).json() == {"isActive": False}
        assert not is_in(staff)


def _later(seconds: float) -> Any:
    from django.utils import timezone

    return timezone.now() + timedelta(seconds=seconds)
