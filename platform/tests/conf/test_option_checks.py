"""``manage.py check`` names what is missing, misspelt or wrong in ``settings.ATOLL`` and the environment."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.conf import checks, options

Alone = Callable[..., None]


@pytest.fixture
def alone(settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Alone]:
    """Call it with a value of ATOLL: this process becomes a project in no ``projects.toml``."""
    for option in options.all_options():
        monkeypatch.delenv(option.variable, raising=False)
    settings.BASE_DIR = tmp_path

    def become(held: Any) -> None:
        settings.ATOLL = held

    with monkeypatch.context() as patched:
        # The way of a machine where the library is installed and no clone is.
        patched.setattr(conf.table, "CLONE", tmp_path / "site-packages")
        del settings.ATOLL_PROJECT
        del settings.ATOLL_SERVICE
        yield become


def found() -> list[tuple[str, str, str]]:
    return [(message.id or "", message.msg, message.hint or "") for message in checks.check_options()]


def test_two_keys_are_enough(alone: Alone, tmp_path: Path):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//"})
    assert found() == []
    assert conf.stands_alone()
    assert conf.project_name() == conf.service_name() == "shop"
    assert list(conf.projects()) == ["shop"]
    assert conf.project("shop").service == "shop"
    assert conf.project_of_service("shop").name == "shop"
    assert conf.root() == tmp_path
    assert conf.broker_url("shop") == "amqp://127.0.0.1//"
    assert not conf.has_registry()


def test_the_environment_alone_is_enough(alone: Alone, monkeypatch: pytest.MonkeyPatch):
    alone({})
    monkeypatch.setenv("ATOLL_SERVICE", "shop")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://127.0.0.1//")
    monkeypatch.setenv("REGISTRY_URL", "http://127.0.0.1:8005")
    assert found() == []
    assert conf.project_name() == "shop"
    assert conf.has_registry()


def test_a_missing_service_and_broker_are_named(alone: Alone):
    alone({})
    assert [(code, text) for code, text, _ in found()] == [
        ("atoll.E001", "This service has no name."),
        ("atoll.E006", "The bus has no broker."),
    ]
    with pytest.raises(ImproperlyConfigured, match="This service has no name"):
        conf.service_name()
    with pytest.raises(ImproperlyConfigured, match="does not name the broker"):
        conf.broker_url()


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("SERVCE", "Did you mean SERVICE?"),
        ("worker_pool", "Did you mean WORKER_POOL?"),
        ("RABBITMQ_URL", 'Its key is "BROKER_URL"; RABBITMQ_URL is its variable of the environment.'),
        ("ATOLL_HOME", "ATOLL_HOME counts in the environment alone."),
        ("COLOUR", ""),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(alone: Alone, key: str, hint: str):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//", key: "x"})
    assert found() == [("atoll.E003", f'ATOLL["{key}"] is no option of Atoll.', hint)]


def test_wrong_types_and_bounds_have_ids_of_their_own(alone: Alone, monkeypatch: pytest.MonkeyPatch):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//", "WORKER_CONCURRENCY": "many"})
    monkeypatch.setenv("SHOP_WORKER_POOL", "gevent")
    assert found() == [
        (
            "atoll.E005",
            "SHOP_WORKER_POOL='gevent' is not one of threads, prefork.",
            f"{options.WORKER_POOL.help} It is `threads` or `prefork`.",
        ),
        (
            "atoll.E004",
            "ATOLL[\"WORKER_CONCURRENCY\"]='many' is not a whole number from 1 to 1000.",
            f"{options.WORKER_CONCURRENCY.help} It is a whole number from 1 to 1000.",
        ),
    ]


@pytest.mark.parametrize("held", [["SERVICE"], "shop", None])
def test_a_setting_that_is_no_dictionary_is_named(alone: Alone, held: Any):
    alone(held)
    assert [code for code, _, _ in found()] == ["atoll.E002"]


def test_a_misspelt_variable_is_a_warning(alone: Alone, monkeypatch: pytest.MonkeyPatch):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//"})
    monkeypatch.setenv("ATOLL_SERVCIE", "shop")
    monkeypatch.setenv("ATOLL_OF_SOMEBODY_ELSE", "x")
    assert found() == [
        (
            "atoll.W001",
            "ATOLL_SERVCIE in the environment is no option of Atoll.",
            "Did you mean ATOLL_SERVICE?",
        )
    ]


def test_a_project_of_the_table_needs_no_key():
    assert [message.id for message in checks.check_options()] == []
    assert conf.project_name() == "library"
    assert "orders" in conf.projects()


@pytest.mark.parametrize(
    ("held", "code", "text"),
    [
        ({"LOG_LEVEL": "TRACE"}, "atoll.E005", "ATOLL[\"LOG_LEVEL\"]='TRACE' is not one of DEBUG, INFO"),
        ({"LOG_FORMAT": "xml"}, "atoll.E005", "ATOLL[\"LOG_FORMAT\"]='xml' is not one of json, console"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8, 10.1.2.3/8"}, "atoll.E004", "has a part that is no network"),
        ({"BROKER_URL": "amqp://shop:a#b@broker:5672//"}, "atoll.E004", "has a port that is no number"),
        ({"BROKER_URL": "amqp://one:5672//;amqp://two:port//"}, "atoll.E004", "has a port that is no number"),
        ({"DISCOVERY": "http://{service}.shop:port"}, "atoll.E004", "has a port that is no number"),
        ({"DISCOVERY": "srv://_http._tcp.{service}:80"}, "atoll.E005", "has a port, and SRV records"),
    ],
)  # fmt: skip
def test_a_value_with_which_a_process_would_fail_later_is_named(
    alone: Alone, held: dict[str, Any], code: str, text: str
):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//"} | held)
    ((found_code, found_text, _),) = found()
    assert found_code == code
    assert text in found_text
    assert "a#b" not in found_text


@pytest.mark.parametrize(
    "held",
    [
        {"LOG_LEVEL": "debug"},
        {"TRUSTED_PROXIES": "10.0.0.0/8,::1"},
        {"BROKER_URL": "redis+socket:///run/redis.sock"},
        {"DISCOVERY": "dns://{service}.shop.svc:8000"},
        {"DISCOVERY": "srv://_http._tcp.{service}.shop"},
    ],
)
def test_a_value_of_another_form_that_works_is_no_fault(alone: Alone, held: dict[str, Any]):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//"} | held)
    assert found() == []


@pytest.mark.parametrize(
    ("held", "extra"),
    [
        ({"BROKER_URL": "redis://127.0.0.1:6379/0"}, "redis"),
        ({"REGISTRY_URL": "http://127.0.0.1:8005"}, "client"),
        ({"DISCOVERY": "dns://{service}:80"}, "client"),
        ({"ISSUER_URL": "https://id.shop.example"}, "identity"),
    ],
)
def test_a_value_that_needs_an_extra_names_it(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, held: dict[str, Any], extra: str
):
    alone({"SERVICE": "shop", "BROKER_URL": "amqp://127.0.0.1//"} | held)
    monkeypatch.setattr(checks, "find_spec", lambda package: None)
    ((code, text, hint),) = found()
    assert code == "atoll.E007"
    assert next(iter(held)) in text
    assert hint == f'pip install "atoll[{extra}]"'
