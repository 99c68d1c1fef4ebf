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
    """Runs an action on rows of a list, and says yes where it asks first."""
    sent = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = browser.post(reverse(changelist), sent, follow=True)
    if b'name="confirmed"' in answer.content:
        return browser.post(reverse(changelist), {**sent, "confirmed": action}, follow=True)
    return answer
