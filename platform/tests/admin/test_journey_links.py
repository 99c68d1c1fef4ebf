"""Links from the admins to journeys in the console."""

import pytest

from atoll.admin import journey_link, journey_url


def test_a_row_leads_to_its_journey(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONSOLE_URL", "https://admin.example/console")
    assert journey_url("checkout-4711") == "https://admin.example/console/journeys/checkout-4711"
    assert 'href="https://admin.example/console/journeys/checkout-4711"' in journey_link("checkout-4711")


def test_an_id_stays_one_part_of_the_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONSOLE_URL", "https://admin.example/console/")
    assert journey_url("../admin/?a=<b>") == (
        "https://admin.example/console/journeys/..%2Fadmin%2F%3Fa%3D%3Cb%3E"
    )


def test_without_an_address_there_is_no_link(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CONSOLE_URL", raising=False)
    monkeypatch.setenv("ATOLL_ENV", "production")
    assert journey_url("checkout-4711") == ""
    assert journey_link("checkout-4711") == ""
