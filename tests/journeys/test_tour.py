"""docs/tour.md shows what a running platform shows."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from atoll import conf
from atoll.testing.running import Platform
from tests.journeys import tour

pytestmark = pytest.mark.on("embedded")

SECTION = re.compile(
    r"^## (?P<heading>.+?)\n.*?!\[[^\]]+\]\(images/(?P<name>[a-z]+)\.jpg\)", re.MULTILINE | re.DOTALL
)


def test_each_picture_of_the_tour_is_of_the_page_that_its_section_names(
    platform: Platform, page: Page, tmp_path: Path
) -> None:
    text = (conf.root() / "docs" / "tour.md").read_text()
    told = {found["name"]: found["heading"] for found in SECTION.finditer(text)}
    assert tour.walk(page, platform.gateway_url, tmp_path) == told
    assert set(told) == {stop.name for stop in tour.STOPS}
    for name in told:
        for folder in (tmp_path, tour.IMAGES):
            picture = folder / f"{name}.jpg"
            assert picture.read_bytes().startswith(b"\xff\xd8\xff")
            assert picture.stat().st_size <= tour.MAX_BYTES, picture


def test_readme_shows_pictures_of_the_tour() -> None:
    shown = re.findall(r"\(docs/images/([a-z]+)\.jpg\)", (conf.root() / "README.md").read_text())
    assert len(shown) == 2
    assert set(shown) <= {stop.name for stop in tour.STOPS}
