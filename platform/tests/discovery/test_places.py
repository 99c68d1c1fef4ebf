"""One setting says where a service is: its own, else DISCOVERY, else the registry."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll import discovery
from atoll.conf import options
from atoll.discovery import resolving
from atoll.discovery.places import SCHEMES, Place, place_of


def test_without_a_setting_the_registry_is_asked():
    assert place_of("user-service") == Place("registry")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("http://10.9.9.9:8001", Place("fixed", "10.9.9.9", 8001)),
        ("https://users.example", Place("fixed", "users.example", 443, "https")),
        ("http://[::1]:8001/", Place("fixed", "::1", 8001)),
        ("dns://users.shop.svc:8000", Place("dns", "users.shop.svc", 8000)),
        ("dns+https://users.shop.svc", Place("dns", "users.shop.svc", 443, "https")),
        ("srv://_http._tcp.users.shop.svc", Place("srv", "_http._tcp.users.shop.svc")),
        ("srv+https://_https._tcp.users", Place("srv", "_https._tcp.users", 0, "https")),
        ("registry", Place("registry")),
    ],
)
def test_the_scheme_of_the_setting_chooses(monkeypatch, value, place):
    monkeypatch.setenv("DISCOVERY", "dns://{service}.other:1")
    monkeypatch.setenv("USER_SERVICE_URL", value)

    assert place_of("user-service") == place
    assert place_of("order-service") == Place("dns", "order-service.other", 1)


@pytest.mark.parametrize(
    "value",
    [
        "dns", "10.0.0.1:80", "ftp://a", "http://a/path", "http://", "http://a:70000", "dns://a:b",
        "srv://_http._tcp.users:8000", "http://user:secret@users", "dns://users?x=1",
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_read_is_named(monkeypatch, value):
    monkeypatch.setenv("USER_SERVICE_URL", value)
    with pytest.raises(ImproperlyConfigured, match="USER_SERVICE_URL="):
        place_of("user-service")

    monkeypatch.delenv("USER_SERVICE_URL")
    monkeypatch.setenv("DISCOVERY", value)
    with pytest.raises(ImproperlyConfigured, match="DISCOVERY"):
        place_of("user-service")
    with pytest.raises(ValueError, match=r"registry|\{service\}"):
        options.DISCOVERY.kind.read(value)


def test_the_table_of_options_knows_every_scheme():
    for scheme in SCHEMES:
        assert options.DISCOVERY.kind.read(f"{scheme}://{{service}}.test")


def test_without_a_registry_the_settings_that_help_are_named(monkeypatch):
    def no_credential(project: str) -> None:
        raise ImproperlyConfigured("SERVICE_SECRET is not set.")

    monkeypatch.setattr(resolving, "RegistryClient", no_credential)
    resolving.forget()

    with pytest.raises(ImproperlyConfigured, match=r"SERVICE_SECRET.+USER_SERVICE_URL.+DISCOVERY.+dns://"):
        discovery.resolve("user-service")
