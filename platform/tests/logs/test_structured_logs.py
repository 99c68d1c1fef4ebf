"""The log lines of a process on standard output."""

import io
import json
import logging
import logging.config
import warnings

import pytest
import structlog

from atoll import context
from atoll.logs import logging_config, process_name

CORRELATION = "01a2061b-478a-7783-8423-c46ab3baa7a8"
NAMES = (
    "atoll.test",
    "django",
    "django.request",
    "_granian",
    "granian.access",
    "celery.worker",
    "celery.task",
)


@pytest.fixture
def lines(monkeypatch):
    """Logs as a process without a terminal does; the lines written so far."""
    monkeypatch.setenv("ATOLL_INSTANCE", "order-service-1")
    monkeypatch.setenv("ATOLL_PROCESS", "serve")
    monkeypatch.setenv("LOG_FORMAT", "json")
    written = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    config = logging_config("orders", "order-service")
    config["handlers"]["stdout"]["stream"] = written
    logging.config.dictConfig(config)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


def test_a_line_tells_when_what_and_who(lines):
    with context.work(correlation_id=CORRELATION):
        logging.getLogger("atoll.test").warning("stock is %s", "low", extra={"sku": "A-1"})
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "service": "order-service",
        "instance": "order-service-1",
        "process": "serve",
        "correlation_id": CORRELATION,
        "logger": "atoll.test",
        "event": "stock is low",
        "sku": "A-1",
    }


def test_the_keys_everybody_looks_for_come_first_and_in_order(lines):
    logging.getLogger("atoll.test").info("hello", extra={"a": 1})
    assert list(lines()[0]) == [
        "time", "level", "service", "instance", "process", "correlation_id", "logger", "event", "a",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_django_granian_and_celery_look_the_same_and_come_once(lines, name):
    logging.getLogger(name).error("something happened")
    (line,) = lines()
    assert (line["logger"], line["service"], line["event"]) == (name, "order-service", "something happened")


def test_structlog_writes_the_same_lines(lines):
    with context.work(correlation_id=CORRELATION):
        structlog.get_logger("atoll.test").info("order placed", order_id="7")
    (line,) = lines()
    assert (line["event"], line["order_id"], line["correlation_id"]) == ("order placed", "7", CORRELATION)


def test_an_exception_in_structlog_is_one_line_with_its_traceback(lines):
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("atoll.test").exception("failed", order_id="7")
    (line,) = lines()
    assert (line["event"], line["level"], line["order_id"]) == ("failed", "error", "7")
    assert line["exception"].startswith("Traceback")
    assert "exc_info" not in line


def test_a_field_of_structlog_replaces_no_fixed_key_but_the_correlation_id(lines):
    structlog.get_logger("atoll.test").info("hello", service="forged", correlation_id=CORRELATION)
    (line,) = lines()
    assert (line["service"], line["correlation_id"]) == ("order-service", CORRELATION)


def test_no_line_looks_for_its_place_in_the_code(lines, monkeypatch):
    monkeypatch.setattr(logging.getLogger("atoll.test"), "findCaller", None, raising=False)
    logging.getLogger("atoll.test").info("hello")
    assert len(lines()) == 1


def test_a_warning_is_a_line_like_the_others(lines):
    with warnings.catch_warnings():
        # pytest keeps warnings to itself; a process does not.
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.simplefilter("always")
        warnings.warn("soon gone", DeprecationWarning, stacklevel=1)
    (line,) = lines()
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "DeprecationWarning: soon gone" in line["event"]


def test_an_exception_is_one_line_with_its_traceback(lines):
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logging.getLogger("atoll.test").exception("failed")
    (line,) = lines()
    assert line["event"] == "failed"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: broken\nin two")


@pytest.mark.parametrize("hostile", ['line\nbreak "quoted"', "\x1b[31mred", "half \ud800 pair", "\0"])
def test_no_text_can_break_a_line_or_the_terminal(lines, hostile):
    logging.getLogger("atoll.test").info("got %s", hostile, extra={"path": hostile})
    (line,) = lines()
    assert (line["event"], line["path"]) == (f"got {hostile}", hostile)


def test_a_value_that_is_no_json_is_written_as_text(lines):
    logging.getLogger("atoll.test").info("odd", extra={"kinds": {int}, "when": object})
    assert lines()[0]["when"] == "<class 'object'>"


def test_below_the_level_nothing_is_written(lines):
    logging.getLogger("atoll.test").debug("detail")
    logging.getLogger("django.request").warning("Not Found: /x")
    assert lines() == []


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["manage.py", "orders", "serve", "--port", "0"], "serve"),
        (["/x/manage.py", "orders", "worker"], "worker"),
        (["manage.py", "up"], "up"),
        (["/venv/bin/celery", "-A", "services.orders", "worker", "-l", "info"], "worker"),
        (["/venv/lib/pytest/__main__.py", "-q"], "pytest"),
        ([], "python"),
    ],
)
def test_a_process_is_called_by_what_it_runs(monkeypatch, argv, name):
    monkeypatch.delenv("ATOLL_PROCESS", raising=False)
    monkeypatch.setattr("sys.argv", argv)
    assert process_name() == name
