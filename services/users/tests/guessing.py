"""Attempts with passwords, from chosen addresses."""

from typing import Any

from django.test import RequestFactory
from rest_framework.test import APIClient

from atoll.identity.limits import CredentialLimit
from services.users.api.limits import SIGN_IN


def attempt(email: str, password: str, **meta: str) -> Any:
    return APIClient().post("/auth/token", {"email": email, "password": password}, **meta)


OWNER, STRANGER = "198.51.100.7", "203.0.113.9"


def guess(email: str, times: int, address: str = STRANGER) -> list[int]:
    return [attempt(email, "wrong", REMOTE_ADDR=address).status_code for _ in range(times)]


def fill_the_accounts_limit(account: str, limit: CredentialLimit = SIGN_IN, *, left: int = 150) -> None:
    """One failure from each of ``left`` sources, as the endpoint notes them; without the costly hashing."""
    for host in range(left):
        request = RequestFactory().post("/auth/token", REMOTE_ADDR=f"192.0.2.{host}")
        limit.check_account(request, account)
        limit.failed(request, account)
