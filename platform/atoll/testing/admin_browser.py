"""A browser without JavaScript, for the admins of a running platform: it keeps cookies and posts forms.

    staff = AdminBrowser()
    staff.sign_in(platform.url("orders"), "staff@atoll.example", "atoll-demo-staff")
    staff.send(platform.url("payments") + "/admin/payments/payment/ID/refund/", reason="broken")

A sign-in opens the admins of all projects. Tests of one project sign in by Django's ``force_login``.
"""

import re
from typing import Any

import requests

FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
PASSWORD_FIELD = 'name="password"'
TIMEOUT_S = 20


class AdminBrowser:
    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url: str, **options: Any) -> requests.Response:
        return self.session.get(url, timeout=TIMEOUT_S, **options)

    def sign_in(self, address: str, email: str, password: str, path: str = "/admin/") -> requests.Response:
        """Opens a page of the admin at ``address``, and fills in the sign-in form if it leads there.

        Returns the last page: the one that was asked for, or the form with its refusal.
        """
        page = self.get(address + path)
        if PASSWORD_FIELD not in page.text:
            return page
        return self._post(page, username=email, password=password)

    def send(self, url: str, **fields: str) -> requests.Response:
        """Posts the form of a page to its own address. Fails unless the answer is 200."""
        answer = self._post(self.get(url), **fields)
        assert answer.status_code == 200, answer.text[:500]
        return answer

    def is_in(self, address: str) -> bool:
        """Whether the admin at ``address`` opens without a redirect to the sign-in."""
        return self.get(f"{address}/admin/", allow_redirects=False).status_code == 200

    def sign_out(self, address: str) -> requests.Response:
        return self._post(self.get(f"{address}/admin/"), at=f"{address}/admin/logout/")

    def _post(self, page: requests.Response, at: str | None = None, **fields: str) -> requests.Response:
        token = FORM_TOKEN.search(page.text)
        assert token, f"no form at {page.url}: {page.status_code}"
        return self.session.post(
            at or page.url,
            {**fields, "csrfmiddlewaretoken": token[1]},
            headers={"Referer": page.url},
            timeout=TIMEOUT_S,
        )
