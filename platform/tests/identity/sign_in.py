"""Users as the issuer, with one account, on a real socket; and a browser at the test project's admin."""

import base64
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.contrib.auth.models import User
from django.test import Client

from atoll.ids import uuid7
from atoll.testing import tokens

SECRET = "the secret of the library's own test project"
CODE = "code-1"
Answer = tuple[int, dict[str, Any], dict[str, str]]


@dataclass
class UsersService:
    """``asked`` is the latest request for a sign-in; ``claims`` replace those of ID tokens."""

    id: str = field(default_factory=lambda: str(uuid7()))
    email: str = "stan@example.com"
    name: str = "Stan Staff"
    roles: tuple[str, ...] = ("support",)
    status: int = 200
    is_active: bool = True
    sid: str = field(default_factory=lambda: str(uuid7()))
    sign_in_goes_on: bool = True
    claims: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    asked: dict[str, str] = field(default_factory=dict)
    exchanged: list[dict[str, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    looked_at: list[str] = field(default_factory=list)
    sign_ins_looked_at: list[str] = field(default_factory=list)

    def get(self, path: str) -> Answer:
        if path == "/.well-known/openid-configuration":
            return self.status, {}, {}
        if path.startswith("/auth/sign-ins/"):
            self.sign_ins_looked_at.append(path)
            if self.status != 200:
                return self.status, {}, {}
            return 200, {"isActive": self.sign_in_goes_on and path.endswith(self.sid)}, {}
        return self.account(path)

    def account(self, path: str) -> Answer:
        """``GET /users/{id}``."""
        self.looked_at.append(path)
        if self.status != 200 or path != f"/users/{self.id}":
            return (self.status if self.status != 200 else 404), {"error": "User not found"}, {}
        shown = {"id": self.id, "email": self.email, "name": self.name}
        return 200, {**shown, "roles": list(self.roles), "isActive": self.is_active}, {}

    def exchange(self, headers: Any, form: dict[str, str]) -> Answer:
        """The token endpoint, as users has it: each code once, for its verifier and its client."""
        self.exchanged.append(form)
        if self.status != 200:
            return self.status, {"error": "server_error"}, {}
        credential = base64.b64encode(f"library-service:{SECRET}".encode()).decode()
        if headers.get("Authorization") != f"Basic {credential}":
            return 401, {"error": "invalid_client"}, {}
        fits = (
            form["code"].startswith("code-")
            and form["code"] not in self.used
            and form["redirect_uri"] == self.asked["redirect_uri"]
            and challenge_of(form["code_verifier"]) == self.asked["code_challenge"]
        )
        if not fits:
            return 400, {"error": "invalid_grant"}, {}
        self.used.add(form["code"])
        return (
            200,
            {"access_token": "x", "token_type": "Bearer", "id_token": self.token or self.id_token()},
            {},
        )

    def id_token(self, **more: Any) -> str:
        now = int(time.time())
        claims = (
            {
                "iss": "http://testserver",
                "aud": "library-service",
                "sub": self.id,
                "iat": now,
                "exp": now + 300,
                "nonce": self.asked.get("nonce"),
                "sid": self.sid,
                "email": self.email,
                "name": self.name,
                "roles": list(self.roles),
            }
            | self.claims
            | more
        )
        return tokens.sign({name: value for name, value in claims.items() if value is not None})

    def begin(self, browser: Client, at: str = "/admin/", **meta: Any) -> str:
        """Asks for the sign-in, as a browser does that opens ``at``. Returns the ``state``."""
        answer = browser.get("/admin/login/", {"next": at}, **meta)
        assert answer.status_code == 302, answer.content
        self.asked = {
            name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()
        }
        return self.asked["state"]


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def back(browser: Client, **query: str) -> Any:
    """The return of the browser from the issuer."""
    return browser.get("/admin/oidc/callback", query)


def enter(users: UsersService, browser: Client | None = None, at: str = "/admin/") -> tuple[Client, Any]:
    """A browser that went through the whole sign-in, and the last answer."""
    browser = browser or Client()
    state = users.begin(browser, at)
    return browser, back(browser, code=f"code-{uuid7()}", state=state)


def held() -> set[str]:
    return set(User.objects.get().groups.values_list("name", flat=True))
