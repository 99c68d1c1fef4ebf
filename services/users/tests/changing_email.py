"""Requests for another address of one's own account, and their mails."""

import re
from typing import Any

from django.core import mail
from rest_framework.test import APIClient

from services.users.models import User
from services.users.tests.browsing import PASSWORD
from services.users.tests.resetting import post

NEW_EMAIL = "countess@example.com"


def ask_change(client: APIClient, user: User, email: str = NEW_EMAIL) -> Any:
    """The owner asks; ``client`` carries the token of the account."""
    return client.patch(f"/users/{user.id}", {"email": email, "currentPassword": PASSWORD})


def confirm_change(token: Any) -> Any:
    return post("/auth/email-change/confirm", {"token": token})


def refused_change(answer: Any) -> bool:
    return answer.status_code == 400 and answer.json()["code"] == "invalid_email_token"


def mailed_to(email: str) -> list[Any]:
    return [sent for sent in mail.outbox if sent.to == [email]]


def pending_of(client: APIClient) -> Any:
    return client.get("/users/me").json()["pendingEmail"]


def token_to(email: str = NEW_EMAIL) -> str:
    """The token of the newest mail to the address that has one."""
    found = re.findall(
        r"^\S*?([\w-]{43})$", "\n".join(str(one.body) for one in mailed_to(email)), re.MULTILINE
    )
    assert found
    return str(found[-1])
