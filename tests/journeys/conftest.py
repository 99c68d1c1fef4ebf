"""The platforms of the journeys. They run one after the other, and each starts once."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from atoll.testing.running import STOP_TIMEOUT_S, Platform, platforms
from demo.shopper import Shopper
from tests.journeys.browsing import CHROMIUM, QUIET, missing_requirement

PLATFORMS = platforms()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every journey on every platform of this machine, grouped so that each platform starts once."""
    if "platform" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("on")
        wanted: list[object] = [name for name in PLATFORMS if only is None or name in only.args]
        if not wanted:
            wanted = [pytest.param("", marks=pytest.mark.skip(reason="RabbitMQ does not answer here"))]
        metafunc.parametrize("platform", wanted, indirect=True, scope="session")


@pytest.fixture(scope="session")
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    running = PLATFORMS[request.param]()
    running.start()
    yield running
    took = running.stop()
    assert took <= STOP_TIMEOUT_S, f"Ctrl-C took {took:.1f} s"


@pytest.fixture
def shopper(platform: Platform) -> Shopper:
    """A shopper who has just signed up."""
    newcomer = Shopper(platform.gateway_url)
    newcomer.register()
    return newcomer


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if why := missing_requirement():
        pytest.skip(why)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()
