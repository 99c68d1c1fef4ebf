"""An issuer outside, with the documents and claims of Keycloak, in place of users."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from atoll.identity.oidc import configuration, outside_issuer
from atoll.ids import uuid7
from atoll.testing import tokens

from .sign_in import back, challenge_of

pytestmark = pytest.mark.django_db

REALM = "/realms/staff"
ENDPOINTS = f"{REALM}/protocol/openid-connect"


@dataclass
class Keycloak:
    """The parts of Keycloak that a client meets."""

    address: str = ""
    sub: str = field(default_factory=lambda: str(uuid7()))
    sid: str = field(default_factory=lambda: str(uuid7()))
    roles: tuple[str, ...] = ("support", "offline_access", "default-roles-staff")
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    exchanged: list[dict[str, str]] = field(default_factory=list)
    is_down: bool = False

    @property
    def issuer(self) -> str:
        return f"{self.address}{REALM}"

    def get(self, path: str) -> tuple[int, Any]:
        if self.is_down:
            return 503, {}
        if path == f"{REALM}/.well-known/openid-configuration":
            at = f"{self.address}{ENDPOINTS}"
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{at}/auth",
                "token_endpoint": f"{at}/token",
                "end_session_endpoint": f"{at}/logout",
                "jwks_uri": f"{at}/certs",
                "backchannel_logout_supported": True,
            } | self.discovery
        if path == f"{ENDPOINTS}/certs":
            encryption = {
                "kid": "enc",
                "kty": "RSA",
                "alg": "RSA-OAEP",
                "use": "enc",
                "n": "AQAB",
                "e": "AQAB",
            }
            return 200, {"keys": [encryption, *tokens.jwks()["keys"]]}
        return 404, {}

    def exchange(self, form: dict[str, str]) -> tuple[int, Any]:
        self.exchanged.append(form)
        if challenge_of(form["code_verifier"]) != self.asked["code_challenge"]:
            return 400, {"error": "invalid_grant", "error_description": "PKCE verification failed"}
        return 200, {
            "access_token": "ey",
            "expires_in": 300,
            "refresh_token": "ey",
            "token_type": "Bearer",
            "id_token": self.token(),
            "session_state": self.sid,
        }

    def token(self, **more: Any) -> str:
        now = int(time.time())
        claims = (
            {
                "exp": now + 300,
                "iat": now,
                "auth_time": now,
                "jti": str(uuid7()),
                "iss": self.issuer,
                "aud": "atoll-library",
                "sub": self.sub,
                "typ": "ID",
                "azp": "atoll-library",
                "nonce": self.asked.get("nonce"),
                "sid": self.sid,
                "acr": "1",
                "email_verified": True,
                "realm_access": {"roles": list(self.roles)},
                "resource_access": {"account": {"roles": ["manage-account"]}},
                "name": "Kay Staff",
                "preferred_username": "kay",
                "email": "kay@company.example",
            }
            | self.claims
            | more
        )
        return tokens.sign({name: value for name, value in claims.items() if value is not None})


@pytest.fixture
def keycloak(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keycloak]:
    service = Keycloak()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(*service.exchange(dict(parse_qsl(raw.decode()))))

        def do_GET(self) -> None:
            self._send(*service.get(self.path))

        def _send(self, status: int, answer: Any) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    service.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("ATOLL_OIDC_ISSUER", f"{service.issuer}/")
    monkeypatch.setenv("LIBRARY_OIDC_CLIENT_ID", "atoll-library")
    monkeypatch.setenv("LIBRARY_OIDC_CLIENT_SECRET", "the secret that Keycloak made")
    outside_issuer.outside.cache_clear()
    yield service
    outside_issuer.outside.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


def enter(keycloak: Keycloak) -> tuple[Client, Any]:
    browser = Client()
    answer = browser.get("/admin/login/?next=/admin/testproject/note/")
    assert answer["Location"].startswith(f"{keycloak.address}{ENDPOINTS}/auth?"), answer["Location"]
    keycloak.asked = {name: found[0] for name, found in parse_qs(urlsplit(answer["Location"]).query).items()}
    return browser, back(browser, code="c", state=keycloak.asked["state"], session_state=keycloak.sid)


def is_in(browser: Client) -> bool:
    return bool(browser.get("/admin/").status_code == 200)


def test_staff_of_a_company_sign_in_there_with_the_roles_of_its_realm(keycloak: Keycloak) -> None:
    browser, answer = enter(keycloak)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/testproject/note/")
    assert is_in(browser)
    user = User.objects.get()
    assert (user.username, user.email, user.first_name) == (keycloak.sub, "kay@company.example", "Kay Staff")
    assert {group.name for group in user.groups.all()} == {"support"}
    assert keycloak.asked["client_id"] == "atoll-library"
    assert keycloak.exchanged[0]["redirect_uri"] == "http://testserver/admin/oidc/callback"


def test_the_claim_with_the_roles_can_be_another(keycloak: Keycloak, monkeypatch: pytest.MonkeyPatch) -> None:
    keycloak.claims = {"https://company.example/roles": ["operator"]}
    monkeypatch.setenv("ATOLL_OIDC_ROLES_CLAIM", "https://company.example/roles")
    enter(keycloak)
    assert {group.name for group in User.objects.get().groups.all()} == {"operator"}


def test_a_person_without_a_role_of_ours_is_refused(keycloak: Keycloak) -> None:
    keycloak.roles = ("offline_access", "Admin")
    browser, answer = enter(keycloak)
    assert (answer.status_code, is_in(browser)) == (403, False)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-client"},
        {"aud": ["atoll-library", "account"], "azp": "account"},
        {"azp": "account"},
        {"iss": "https://id.evil.example/realms/staff"},
        {"nonce": "another"},
        {"realm_access": {"roles": "admin"}},
    ],
    ids=str,
)
def test_tokens_for_others_open_nothing(keycloak: Keycloak, claims: dict[str, Any]) -> None:
    keycloak.claims = claims
    browser, answer = enter(keycloak)
    assert (answer.status_code, is_in(browser)) == (400, False)


def test_the_issuer_ends_a_session_by_back_channel_logout(keycloak: Keycloak) -> None:
    browser, _answer = enter(keycloak)
    token = keycloak.token(
        typ="Logout",
        nonce=None,
        events={
            "http://schemas.openid.net/event/backchannel-logout": {"revoke_offline_access": True},
        },
    )
    assert Client().post("/admin/oidc/back-channel-logout", {"logout_token": token}).status_code == 200
    assert not is_in(browser)


def test_signing_out_leads_to_the_issuer(keycloak: Keycloak) -> None:
    browser, _answer = enter(keycloak)
    location = browser.post("/admin/logout/")["Location"]
    assert location.startswith(f"{keycloak.address}{ENDPOINTS}/logout?id_token_hint=")
    asked = parse_qs(urlsplit(location).query)
    assert asked["post_logout_redirect_uri"] == ["http://testserver/admin/oidc/signed-out"]


def test_while_it_is_away_the_page_says_so_and_sessions_go_on(keycloak: Keycloak) -> None:
    browser, _answer = enter(keycloak)
    outside_issuer.outside.cache_clear()
    keycloak.is_down = True
    assert is_in(browser)
    answer = Client().get("/admin/login/")
    assert answer.status_code == 503
    assert "the issuer does not answer" in answer.content.decode()


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://id.evil.example/realms/staff"},
        {"authorization_endpoint": "http://id.evil.example/auth"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
    ids=str,
)
def test_a_document_that_cannot_be_trusted_sends_nobody_anywhere(
    keycloak: Keycloak, document: dict[str, Any]
) -> None:
    keycloak.discovery = document
    assert Client().get("/admin/login/").status_code == 503


def test_sessions_of_users_end_when_an_issuer_outside_takes_its_place(keycloak: Keycloak) -> None:
    browser, _answer = enter(keycloak)
    session = browser.session
    session["sign_in"] = {**session["sign_in"], "issuer": "http://testserver"}
    session.save()
    assert not is_in(browser)


def test_an_issuer_without_tls_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOLL_OIDC_ISSUER", "http://id.shop.example/realms/staff")
    with pytest.raises(ImproperlyConfigured, match="https"):
        configuration.outside_issuer()


def test_a_client_without_a_secret_is_told_which_variable_to_set(
    keycloak: Keycloak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIBRARY_OIDC_CLIENT_SECRET")
    with pytest.raises(ImproperlyConfigured, match="LIBRARY_OIDC_CLIENT_SECRET"):
        configuration.client_secret()
