"""A browser in the admin of users."""

from typing import Any

from django.test import Client
from django.urls import reverse

PASSWORD = "correct horse battery staple"


def enter(email: str, password: str = PASSWORD, **meta: str) -> tuple[Client, Any]:
    browser = Client(**meta)
    answer = browser.post("/admin/login/?next=/admin/", {"username": email, "password": password})
    return browser, answer


def run(browser: Client, changelist: str, action: str, *rows: Any) -> Any:
    chosen = [str(row.pk) for row in rows]
    return browser.post(reverse(changelist), {"action": action, "_selected_action": chosen}, follow=True)
