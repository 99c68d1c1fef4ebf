"""A users service with one account on a real socket, and a sign-in at the test project's admin."""

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from atoll.ids import uuid7
from atoll.testing import tokens

PASSWORD = "correct horse battery staple"


@dataclass
class UsersService:
    """``POST /auth/token`` of a users service with one account, on a real socket."""

    id: str = field(default_factory=lambda: str(uuid7()))
    email: str = "stan@example.com"
    name: str = "Stan Staff"
    roles: tuple[str, ...] = ("support",)
    status: int = 200
    token: str | None = None
    is_active: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)

    def account(self, path: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """``GET /users/{id}``."""
        self.looked_at.append(path)
        if self.status != 200 or path != f"/users/{self.id}":
            return (self.status if self.status != 200 else 404), {"error": "User not found"}, {}
        shown = {"id": self.id, "email": self.email, "name": self.name}
        return 200, {**shown, "roles": list(self.roles), "isActive": self.is_active}, {}

    def answer(self, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        self.asked.append({"body": body, "forwarded_for": headers.get("X-Forwarded-For")})
        if self.status == 429:
            return 429, {"error": "Too many requests from this IP"}, {"Retry-After": "42"}
        if self.status != 200 or body != {"email": self.email, "password": PASSWORD}:
            return (self.status if self.status != 200 else 401), {"error": "Invalid email or password"}, {}
        token = self.token or tokens.access_token(self.id, self.roles, self.email, self.name)
        return 200, {"accessToken": token}, {}


def enter(email: str = "stan@example.com", password: str = PASSWORD, **meta: Any) -> tuple[Client, Any]:
    browser = Client()
    form = {"username": email, "password": password}
    return browser, browser.post("/admin/login/?next=/admin/", form, **meta)


def held() -> set[str]:
    return set(User.objects.get().groups.values_list("name", flat=True))
