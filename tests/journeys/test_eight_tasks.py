"""Eight tasks of an operator, each from the gateway's root, with one sign-in, by clicks and typing alone."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper
from tests.journeys.browsing import screenshot
from tests.journeys.misshapen import PAYMENT, send_unreadable_payment

pytestmark = pytest.mark.on("embedded")

A_MINUTE_S = 60.0
ADMIN = ("admin@atoll.example", "atoll-demo-admin")
SUPPORT = ("support@atoll.example", "atoll-demo-support")
# Figures are collected every ten seconds.
FIGURES_MS = 45_000


class Operator:
    """A person at a browser, who has signed in once."""

    def __init__(self, page: Page, root: str) -> None:
        self.page = page
        self.root = root

    @contextmanager
    def task(self, name: str) -> Iterator[Page]:
        """Begin at the root. Fails when the task takes a minute or another sign-in."""
        begun = time.monotonic()
        self.page.goto(self.root)
        yield self.page
        took = time.monotonic() - begun
        screenshot(self.page, f"task-{name}")
        assert self.page.query_selector("input[name=password]") is None
        assert took < A_MINUTE_S, f"{took:.0f} s"

    def search(self, wanted: str) -> None:
        self.page.fill("input[name=q]", wanted)
        self.page.press("input[name=q]", "Enter")

    def open_page(self, title: str) -> None:
        self.page.get_by_label("Console").get_by_role("link", name=title, exact=True).click()

    def open_admin(self, title: str) -> None:
        self.page.get_by_text("Admins", exact=True).click()
        self.page.locator(".menu-list").get_by_role("link", name=title, exact=True).click()

    def back_to_the_console(self) -> None:
        """By the menu under the title of every admin."""
        self.page.locator("#nav-sidebar-inner").get_by_text("unfold_more").first.click()
        self.page.get_by_role("link", name="Console").click()
        expect(self.page.get_by_role("heading", name="Board")).to_be_visible()

    def first_row(self) -> Locator:
        return self.page.locator("#result_list tbody tr").first


@pytest.fixture(scope="module")
def operator(platform: Platform, browser: Browser) -> Iterator[Operator]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(f"{platform.gateway_url}/")
    page.fill("input[name=username]", ADMIN[0])
    page.fill("input[name=password]", ADMIN[1])
    page.click("button[type=submit]")
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
    yield Operator(page, f"{platform.gateway_url}/")
    context.close()


@pytest.fixture(scope="module")
def customer(platform: Platform) -> Shopper:
    """A customer with one paid and one declined order."""
    shopper = Shopper(platform.gateway_url)
    shopper.register(name="Grace Hopper")
    return shopper


def order(customer: Shopper, method: str) -> str:
    product = next(found for found in customer.products(inStock="true") if found["stock"] >= 5)
    placed = customer.place_order([Item(product["id"], 1)], payment_method=method)
    customer.wait_until_final(placed["id"])
    return str(placed["id"])


def test_find_why_an_order_was_cancelled(operator: Operator, customer: Shopper) -> None:
    declined = order(customer, "card-declined")
    with operator.task("cancelled") as page:
        operator.search(declined)
        page.get_by_role("link", name=f"Orders with “{declined}”").click()
        operator.first_row().get_by_role("link").first.click()
        history = page.get_by_role("region", name="History")
        expect(history).to_contain_text("Cancelled")
        expect(history).to_contain_text("card_declined")


def test_find_the_slowest_endpoint(operator: Operator, customer: Shopper) -> None:
    order(customer, "card")
    with operator.task("slowest") as page:
        page.get_by_role("link", name="Slowest endpoints of the last hour").click()
        requests_table = page.locator("table.numbers-from-3").first

        def has_figures() -> bool:
            page.reload()
            return requests_table.locator("tbody a").count() > 0

        eventually(has_figures, timeout_s=40, what="the figures of a fresh platform were collected")
        shown = requests_table.locator("tbody tr td:nth-child(7)").all_inner_texts()
        p95_ms = [float(text.replace(",", "")) for text in shown if text != "–"]
        assert p95_ms == sorted(p95_ms, reverse=True)
        slowest = requests_table.locator("tbody a").first.inner_text()
        requests_table.locator("tbody a").first.click()
        expect(page.get_by_role("heading", name=slowest)).to_be_visible()
        expect(page.locator("svg.chart").nth(1)).to_be_visible()


def test_see_a_handler_fail_fix_it_and_replay(operator: Operator, platform: Platform) -> None:
    send_unreadable_payment(platform, "eight-tasks", "eight-tasks-4711", without="userId")
    with operator.task("failing") as page:
        failing = page.locator(".failing-cause").filter(has_text="userId: is missing")
        expect(failing).to_contain_text("process.payment", timeout=FIGURES_MS)
        failing.get_by_role("link", name="The newest one").click()
        page.get_by_role("link", name="Edit and replay…").click()
        page.fill("[name=payload]", json.dumps(PAYMENT))
        page.fill("[name=reason]", "the producer left out the customer")
        page.get_by_role("button", name="Save and replay").click()
        expect(page.locator("body")).to_contain_text("It was edited and will run again.")
        operator.back_to_the_console()
        expect(page.locator(".failing-cause").filter(has_text="userId: is missing")).to_have_count(
            0, timeout=FIGURES_MS
        )


def test_find_the_order_of_a_customer_by_email_and_its_payment(operator: Operator, customer: Shopper) -> None:
    paid = order(customer, "card")
    email = customer.user["email"]
    with operator.task("payment") as page:
        operator.search(email)
        page.get_by_role("link", name=f"Orders with “{email}”").click()
        operator.first_row().get_by_role("link").first.click()
        expect(page).to_have_url(re.compile(paid))
        page.get_by_role("link", name="Payment and refund").click()
        operator.first_row().get_by_role("link").first.click()
        expect(page.locator("#content")).to_contain_text("completed")
        expect(page.locator("#content")).to_contain_text(paid)


@pytest.fixture
def second_instance(platform: Platform) -> Iterator[str]:
    """The id of another instance of products, started as README says."""

    def instances() -> set[str]:
        found = platform.manage("call", "registry", "GET", "/discover/product-service", "--json")
        return {one["id"] for one in json.loads(found.stdout)}

    before = instances()
    started = subprocess.Popen(
        [sys.executable, "manage.py", "products", "serve", "--port", "0"],
        cwd=platform.root,
        env=platform.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        (added,) = eventually(lambda: instances() - before, timeout_s=60, what="it registers")
        yield added
    finally:
        started.terminate()
        started.wait(timeout=30)


@pytest.fixture
def traffic(platform: Platform) -> Iterator[None]:
    """Clients that read products all the time."""
    is_over = threading.Event()

    def read() -> None:
        with requests.Session() as client:
            while not is_over.wait(0.05):
                client.get(f"{platform.gateway_url}/api/products?pageSize=1", timeout=10)

    thread = threading.Thread(target=read)
    thread.start()
    yield
    is_over.set()
    thread.join()


@pytest.mark.usefixtures("traffic")
def test_drain_an_instance_and_see_its_traffic_leave(
    operator: Operator, platform: Platform, second_instance: str
) -> None:
    def row(page: Page) -> Locator:
        return page.locator("tbody tr").filter(has=page.get_by_role("link", name=second_instance, exact=True))

    operator.page.goto(operator.root)
    some = re.compile(r"^[1-9]|^0\.[1-9]")
    expect(row(operator.page).locator("td").nth(2)).to_have_text(some, timeout=FIGURES_MS)
    with operator.task("drain") as page:
        page.get_by_role("link", name=second_instance, exact=True).click()
        page.get_by_role("link", name="Drain…").click()
        page.get_by_role("button", name="Drain").click()
        operator.back_to_the_console()
        expect(row(page)).to_contain_text("draining")
        expect(row(page).locator("td").nth(2)).to_have_text("0.0", timeout=FIGURES_MS)


SWITCH = """
from gateway.models import Route
from gateway.usecases.publish import publish
Route.objects.filter(name="products").update(enabled={enabled})
print(publish("a colleague", "Products move.").version)
"""


def test_roll_back_a_route(operator: Operator, platform: Platform) -> None:
    def products() -> int:
        return requests.get(f"{platform.gateway_url}/api/products?pageSize=1", timeout=10).status_code

    published = platform.manage("gateway", "shell", "-v", "0", "-c", SWITCH.format(enabled=False))
    former = int(published.stdout) - 1
    eventually(lambda: products() == 404, what="the route is gone")
    with operator.task("rollback") as page:
        operator.open_admin("Gateway")
        page.locator("#nav-sidebar-apps").get_by_role("link", name="Publications").click()
        page.locator("#result_list tbody tr").nth(1).get_by_role("link").first.click()
        page.get_by_role("link", name="Bring this version back …").click()
        page.get_by_role("button", name=f"Bring version {former} back").click()
        eventually(lambda: products() == 200, what="the route is back")


@pytest.fixture
def colleague(platform: Platform, browser: Browser) -> Iterator[Page]:
    """A member of the support, signed in elsewhere. The account is active again at the end."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(f"{platform.url('orders')}/admin/")
    page.fill("input[name=username]", SUPPORT[0])
    page.fill("input[name=password]", SUPPORT[1])
    page.click("button[type=submit]")
    page.wait_for_url(f"{platform.url('orders')}/admin/")
    yield page
    context.close()
    code = (
        "from services.users.models import User\n"
        "from services.users.usecases.update_user import Changes, update_user\n"
        f"update_user(User.objects.by_email({SUPPORT[0]!r}).id, Changes(is_active=True))"
    )
    platform.manage("users", "shell", "-v", "0", "-c", code)


def test_lock_somebody_out_and_see_them_out_everywhere(
    operator: Operator, platform: Platform, colleague: Page
) -> None:
    client = Shopper(platform.gateway_url)
    client.sign_in(*SUPPORT)
    assert status_of(client) == 200
    with operator.task("lock-out") as page:
        operator.search(SUPPORT[0])
        page.get_by_role("link", name=f"Accounts with “{SUPPORT[0]}”").click()
        operator.first_row().locator("input.action-select").check()
        page.locator("#changelist-actions select").select_option(
            label="Deactivate: end sessions, refuse sign-in…"
        )
        page.get_by_role("button", name="Run").click()
        page.get_by_role("button", name="Deactivate accounts").click()
        expect(page.locator("body")).to_contain_text("1 account deactivated")
        for name in ("orders", "payments", "gateway"):
            eventually(is_out(colleague, f"{platform.url(name)}/admin/"), what=f"out of {name}")
        eventually(lambda: status_of(client) == 403, what="the API refuses the token")


def is_out(page: Page, address: str) -> Callable[[], bool]:
    def check() -> bool:
        page.goto(address)
        return page.query_selector("input[name=password]") is not None

    return check


def status_of(client: Shopper) -> int:
    url = f"{client.gateway_url}/api/orders"
    return requests.get(url, headers=client.authorization(), timeout=10).status_code


def test_see_what_happened_in_the_last_five_minutes(operator: Operator, customer: Shopper) -> None:
    order(customer, "card")
    with operator.task("five-minutes") as page:
        operator.open_page("Charts")
        page.get_by_role("link", name="5 minutes").click()
        expect(page.get_by_role("link", name="POST /orders", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="order confirmed")).to_be_visible()
        operator.open_page("Journeys")
        ordered = page.get_by_role("link", name="POST orders")

        def is_listed() -> bool:
            """The traffic of the tests before may have used up the traces of the moment."""
            page.reload()
            if not ordered.count():
                order(customer, "card")
            return ordered.count() > 0

        eventually(is_listed, timeout_s=40, what="an order is among the journeys")
        operator.open_page("Logs")
        expect(page.locator("#content")).to_contain_text("order-service")
