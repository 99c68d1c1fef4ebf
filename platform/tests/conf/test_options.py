"""Each option has one place; its value is that of the environment, ``settings.ATOLL``, or the table."""

import ast
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

import atoll
from atoll import conf
from atoll.cli import configuration
from atoll.conf import options
from atoll.conf.option import Option

LIBRARY = Path(atoll.__file__).parent
READERS = {"variable", "flag", "seconds", "whole_number", "web_address", "own_variable", "secret"}
ENVIRON = {"os.environ.get", "os.getenv", "os.environ.setdefault"}
# Variables of others, which Atoll reads or refuses.
FOREIGN = {
    "CELERY_LOADER",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "DJANGO_SETTINGS_MODULE",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
}


def reads() -> list[tuple[str, str]]:
    """Every variable that a call in the library names, with the file."""
    found = []
    for path in LIBRARY.rglob("*.py"):
        if path.is_relative_to(LIBRARY / "conf" / "options.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                function = ast.unparse(node.func).rpartition(".")[2]
                is_environ = ast.unparse(node.func) in (
                    "os.environ.get",
                    "os.getenv",
                    "os.environ.setdefault",
                )
                name = node.args[0].value
                if (function in READERS or is_environ) and isinstance(name, str) and name.isupper():
                    found.append((name, str(path.relative_to(LIBRARY))))
    return found


def test_every_variable_that_the_library_reads_is_in_the_table():
    known = {option.variable for option in options.all_options()}
    assert [read for read in reads() if read[0] not in known | FOREIGN] == []
    assert len(reads()) > 30


def test_no_two_options_share_a_key_or_a_variable():
    for names in (
        [option.variable for option in options.all_options()],
        [option.key for option in options.all_options() if option.key],
    ):
        assert len(names) == len(set(names))


@pytest.mark.parametrize("option", options.all_options(), ids=lambda option: option.variable)
def test_every_option_says_what_it_is_for_and_has_a_default_of_its_kind(option: Option[Any]):
    assert option.help.endswith(".")
    assert option.part in options.PARTS
    if option.default not in ("", 0, ()):
        assert option.kind.read(option.default) == option.default


def test_the_environment_goes_before_the_setting_and_the_project_s_own_variable_before_both(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
):
    for name in ("WORKER_CONCURRENCY", "SHOP_WORKER_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    settings.ATOLL = {}
    assert options.WORKER_CONCURRENCY.value("shop") == 4
    settings.ATOLL = {"WORKER_CONCURRENCY": 5}
    assert options.WORKER_CONCURRENCY.value("shop") == 5
    monkeypatch.setenv("WORKER_CONCURRENCY", "6")
    assert options.WORKER_CONCURRENCY.value("shop") == 6
    monkeypatch.setenv("SHOP_WORKER_CONCURRENCY", "7")
    assert options.WORKER_CONCURRENCY.value("shop") == 7
    assert options.WORKER_CONCURRENCY.value() == 6
    assert conf.variable("WORKER_CONCURRENCY", "shop") == "7"


def test_readers_by_name_see_the_setting_too(settings: LazySettings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TRACES", raising=False)
    settings.ATOLL = {"TRACES": False, "ZONE": ""}
    assert conf.flag("TRACES", default=True) is False
    assert conf.variable("ZONE") is None


@pytest.mark.parametrize(
    ("option", "written", "complaint"),
    [
        (options.WORKER_CONCURRENCY, "four", "is not a whole number from 1 to 1000."),
        (options.WORKER_CONCURRENCY, 0, "is not a whole number from 1 to 1000."),
        (options.WORKER_CONCURRENCY, True, "is not a whole number."),
        (options.WORKER_POOL, "gevent", "is not one of threads, prefork."),
        (options.TRACES, "perhaps", "is neither true nor false."),
        (options.BUS_KEEP_PUBLISHED_DAYS, 0, "is not a number of days, above 0."),
        (options.HEARTBEAT_S, "nan", "is not a number of seconds."),
        (options.SERVICE, "My Shop", "is not a name of lower-case letters, digits and hyphens."),
        (options.BUS_PREFIX, 3, "is not text."),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_place(
    option: Option[Any],
    written: Any,
    complaint: str,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv(option.variable, raising=False)
    settings.ATOLL = {option.key: written}
    with pytest.raises(ImproperlyConfigured) as raised:
        option.value()
    assert str(raised.value) == f'ATOLL["{option.key}"]={written!r} {complaint}'


def test_a_refused_url_shows_no_password(settings: LazySettings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RABBITMQ_URL", raising=False)
    settings.ATOLL = {"BROKER_URL": "http://shop:hunter2@mq"}
    with pytest.raises(ImproperlyConfigured) as raised:
        options.BROKER_URL.value()
    assert "hunter2" not in str(raised.value)
    assert str(raised.value).startswith('ATOLL["BROKER_URL"] begins with http:// and not with amqp://')


def test_the_page_of_the_configuration_is_up_to_date(capsys: pytest.CaptureFixture[str]):
    assert configuration.main(["--check"]) == 0, capsys.readouterr().err
