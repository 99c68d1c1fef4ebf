"""Requests of a password reset, and the token in its mail."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core import mail
from rest_framework.test import APIClient

from services.users.models import User

Make = Callable[..., User]


ADA = "ada@example.com"


NEW = "a quite new passphrase"


START = "2026-11-23T10:00:00Z"


AN_HOUR = timedelta(hours=1)


def post(path: str, body: Any, **meta: str) -> Any:
    # Escaped JSON, so that a test can send invalid text.
    return APIClient().post(path, json.dumps(body), content_type="application/json", **meta)


def ask(email: Any = ADA, **meta: str) -> Any:
    return post("/auth/password-reset", {"email": email}, **meta)


def confirm(token: Any, password: Any = NEW) -> Any:
    return post("/auth/password-reset/confirm", {"token": token, "password": password})


def sign_in(password: str, email: str = ADA) -> int:
    return int(APIClient().post("/auth/token", {"email": email, "password": password}).status_code)


def mailed_token(index: int = -1) -> str:
    found = re.search(r"^\S*?([\w-]{43})$", str(mail.outbox[index].body), re.MULTILINE)
    assert found
    return found[1]


def refused(answer: Any) -> bool:
    return answer.status_code == 400 and answer.json()["code"] == "invalid_reset_token"
