"""Helpers for journeys in a real browser."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Error, Page

from atoll import conf

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCREENSHOTS = conf.root() / ".atoll" / "screenshots"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container's may be too small for a picture
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing_requirement() -> str:
    """Return the missing requirements for a browser on this machine."""
    if CHROMIUM is None:
        return "no Chromium on this machine (Debian: chromium)"
    driver = [sys.executable, "-m", "playwright", "--version"]
    if subprocess.run(driver, capture_output=True, check=False).returncode != 0:
        return "Playwright's Node.js does not start on this machine (Debian: libatomic1)"
    return ""


def sign_in(page: Page, address: str, email: str, password: str) -> None:
    """Open an admin, through the sign-in form unless the browser is signed in at another admin."""
    page.goto(f"{address}/admin/")
    if page.query_selector("input[name=password]") is None:
        return
    page.fill("input[name=username]", email)
    page.fill("input[name=password]", password)
    with page.expect_navigation():
        page.click("button[type=submit]")


def screenshot(page: Page, name: str) -> None:
    """Save a screenshot for people. No test fails where the browser cannot take it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with suppress(Error):
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))
