"""A person in the admin: pages, and forms with their hidden fields."""

import re
from html import unescape

import requests

FIELD = re.compile(r"<input[^>]*>")
LINK = re.compile(r'<a [^>]*href="([^"]+)"')
ATTRIBUTE = re.compile(r'(name|value|type)="([^"]*)"')


class Browser:
    def __init__(self, site: str) -> None:
        self._site = site
        self._session = requests.Session()
        self._session.trust_env = False

    def sign_in(self, user: str, password: str) -> None:
        answer = self.send("/admin/login/?next=/admin/", {"username": user, "password": password})
        assert "/admin/logout/" in answer, f"{user} is not signed in:\n{answer[:2000]}"

    def open(self, address: str) -> str:
        """The page. Raises AssertionError unless the site answers with one."""
        answer = self._session.get(self._site + address, timeout=20)
        assert answer.status_code == 200, f"{address} answers {answer.status_code}:\n{answer.text[:3000]}"
        return answer.text

    def send(self, address: str, fields: dict[str, str | list[str]]) -> str:
        """Fill in the form of a page and send it. Returns the page that follows."""
        self.open(address)
        answer = self._session.post(
            self._site + address,
            data=fields | {"csrfmiddlewaretoken": self._session.cookies["csrftoken"]},
            headers={"Referer": self._site + address},
            timeout=20,
        )
        assert answer.status_code == 200, f"{address} answers {answer.status_code}:\n{answer.text[:3000]}"
        return answer.text


def values(page: str, name: str) -> list[str]:
    """The values of the inputs of a name, in the order of the page."""
    inputs = [dict(ATTRIBUTE.findall(field)) for field in FIELD.findall(page)]
    return [unescape(one.get("value", "")) for one in inputs if one.get("name") == name]


def link(page: str, part: str, *, base: str) -> str:
    """The address of the first link with ``part`` in it. ``base`` is the page's own address."""
    found = next((unescape(one) for one in LINK.findall(page) if part in one), None)
    assert found is not None, f"{base} has no link with {part}"
    return found if found.startswith("/") else base + found
