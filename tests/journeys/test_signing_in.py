"""One sign-in for all admins, on a running platform: in, out, and locked out."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page

from atoll import conf
from atoll.testing.admin_browser import AdminBrowser
from atoll.testing.running import Platform, eventually
from tests.journeys.browsing import screenshot, sign_in

pytestmark = pytest.mark.on("embedded")

ADMIN = ("admin@atoll.example", "atoll-demo-admin")
OPERATOR = ("operator@atoll.example", "atoll-demo-operator")
PROJECTS = list(conf.projects())


@pytest.fixture
def addresses(platform: Platform) -> list[str]:
    return [platform.url(name) for name in PROJECTS]


def test_a_browser_signs_in_once_and_out_once(platform: Platform, page: Page, addresses: list[str]) -> None:
    violations: list[str] = []
    page.on("console", lambda said: violations.append(said.text) if "Security Policy" in said.text else None)
    page.goto(f"{platform.url('orders')}/admin/orders/order/")
    assert page.url.startswith(f"{platform.url('users')}/admin/login/")
    screenshot(page, "sign-in")
    page.fill("input[name=username]", ADMIN[0])
    page.fill("input[name=password]", ADMIN[1])
    page.click("button[type=submit]")
    page.wait_for_url(f"{platform.url('orders')}/admin/orders/order/")
    for address in [*addresses, platform.url("products").replace("127.0.0.1", "localhost")]:
        page.goto(f"{address}/admin/")
        assert page.url == f"{address}/admin/"

    page.goto(f"{platform.url('payments')}/admin/")
    page.evaluate("document.querySelector('#logout-form').submit()")
    page.wait_for_url(f"{platform.url('payments')}/admin/oidc/signed-out")
    screenshot(page, "signed-out")

    def form_at(address: str) -> bool:
        page.goto(f"{address}/admin/")
        return page.query_selector("input[name=password]") is not None

    for address in addresses:
        eventually(lambda at=address: form_at(at), timeout_s=30, what=f"{address} asks for a sign-in")
    assert violations == []


@pytest.fixture
def locked(platform: Platform) -> Iterator[AdminBrowser]:
    """An administrator, who unlocks the operator at the end."""
    administrator = AdminBrowser()
    administrator.sign_in(platform.url("users"), *ADMIN)
    yield administrator
    _run(administrator, platform, "activate")


def _run(administrator: AdminBrowser, platform: Platform, action: str) -> None:
    found = requests.get(
        f"{platform.url('users')}/users",
        params={"search": OPERATOR[0]},
        headers={"Authorization": f"Bearer {_token(platform, ADMIN)['accessToken']}"},
        timeout=10,
    ).json()
    (operator,) = [row["id"] for row in found if row["email"] == OPERATOR[0]]
    administrator.send(
        f"{platform.url('users')}/admin/users/user/",
        action=action,
        _selected_action=operator,
        confirmed=action,
    )


def _token(platform: Platform, account: tuple[str, str]) -> dict[str, str]:
    answer = requests.post(
        f"{platform.gateway_url}/auth/token",
        json={"email": account[0], "password": account[1]},
        timeout=10,
    )
    assert answer.ok, answer.text
    return dict(answer.json())


def test_who_is_locked_out_is_out_of_every_admin_and_of_the_api_within_seconds(
    platform: Platform, addresses: list[str], locked: AdminBrowser
) -> None:
    operator = AdminBrowser()
    assert operator.sign_in(platform.url("gateway"), *OPERATOR).ok
    for address in addresses:
        assert operator.get(f"{address}/admin/").ok
        assert operator.is_in(address)
    bearer = {"Authorization": f"Bearer {_token(platform, OPERATOR)['accessToken']}"}

    def api(address: str, path: str) -> int:
        return requests.get(f"{address}{path}", headers=bearer, timeout=10).status_code

    doors = [(platform.gateway_url, "/api/orders"), (platform.url("orders"), "/orders")]
    assert 403 not in [api(*door) for door in doors]

    _run(locked, platform, "deactivate")
    eventually(
        lambda: (
            not any(operator.is_in(address) for address in addresses)
            and {api(*door) for door in doors} == {403}
        ),
        timeout_s=30,
        what="the operator is out everywhere",
    )
    refused = operator.sign_in(platform.url("orders"), *OPERATOR)
    assert "Please enter the email and password of a staff account." in refused.text


def test_a_customer_gets_into_no_admin(platform: Platform, page: Page) -> None:
    sign_in(page, platform.url("products"), "ada@atoll.example", "atoll-demo-ada")
    assert page.query_selector("input[name=password]") is not None
