"""Structured logs: one JSON object a line, or coloured text on a terminal.

Everything goes through the standard ``logging`` module, so lines of Django, Celery
and Granian look like ours. Give fields as ``extra={...}``, or use ``structlog``.
"""

import json
import logging
import logging.config
import os
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from atoll import conf, context, tracing
from atoll.server.identity import instance_id

__all__ = ["JSONLines", "logging_config"]

Event = MutableMapping[str, Any]

# The attributes that every record has; the others are the fields given as ``extra``.
STANDARD_ATTRIBUTES = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime"})
# Our access line and health answer replace the lines of these loggers below that level.
QUIET_LOGGERS = {
    "django.request": "ERROR",
    # Any client can send a wrong Host, however often; the access line has it.
    "django.security.DisallowedHost": "CRITICAL",
    "health_check": "ERROR",
}
# Each of these loggers would add handlers of its own.
OWN_HANDLERS = ("django", "django.server", "_granian", "granian.access", "celery", "celery.task")


def logging_config(project: str, service: str) -> dict[str, Any]:
    """The ``LOGGING`` of a process, for ``logging.config.dictConfig`` and for Granian's own.

    JSON unless standard output is a terminal or ``LOG_FORMAT=console`` says otherwise;
    ``LOG_LEVEL`` (INFO) is the lowest level shown. Also configures ``structlog`` and Python's warnings.
    """
    level = (conf.variable("LOG_LEVEL", project) or "INFO").upper()
    origin = {"service": service, "instance": instance_id(service), "process": process_name()}
    wanted = conf.variable("LOG_FORMAT", project) or ("console" if sys.stdout.isatty() else "json")
    logging.captureWarnings(True)
    _collect_less()
    shared = _for_people(origin) if wanted == "console" else []
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": _console(shared) if shared else {"()": JSONLines, "origin": origin}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "structured",
            }
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            **{name: {"handlers": [], "propagate": True, "level": level} for name in OWN_HANDLERS},
            **{name: {"level": least} for name, least in QUIET_LOGGERS.items()},
        },
    }


def process_name() -> str:
    """The name of this process in logs: ATOLL_PROCESS, else ``serve``, ``worker`` or the running command."""
    given = os.environ.get("ATOLL_PROCESS")
    if given:
        return given
    script = Path(sys.argv[0] if sys.argv else "")
    program = script.parent.name if script.name == "__main__.py" else script.name
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if program == "celery":
        return next((word for word in words if word in ("worker", "beat", "inspect", "control")), program)
    if program == "manage.py" and words:
        return words[1] if len(words) > 1 and words[0] in conf.projects() else words[0]
    return program or "python"


class JSONLines(logging.Formatter):
    """Renders a line in one pass; structlog's chain of processors takes three times as long.

    The fixed keys come first, then the line's own fields. Fields given as ``extra`` overrule the fixed keys;
    of the fields of a structlog line only ``correlation_id`` does.
    """

    def __init__(self, origin: dict[str, str]) -> None:
        super().__init__()
        self._origin = origin
        # A value that is no JSON is written as text.
        self._encode = json.JSONEncoder(default=str).encode

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            **self._origin,
            "correlation_id": context.correlation_id(),
            "logger": record.name,
        }
        if place := tracing.current_place():
            line["trace_id"], line["span_id"] = place.trace_id, place.span_id
        if isinstance(record.msg, dict) and hasattr(record, "_logger"):
            _add_structlog(line, record.msg)
        else:
            _add_standard(line, record)
        if "exc_info" in line:
            structlog.processors.format_exc_info(None, "", line)
        return self._encode(line)


def _add_structlog(line: Event, fields: Event) -> None:
    line["event"] = fields.get("event")
    for key, value in fields.items():
        if key not in line or key == "correlation_id":
            line[key] = value


def _add_standard(line: Event, record: logging.LogRecord) -> None:
    line["event"] = record.getMessage()
    if record.exc_info:
        line["exc_info"] = record.exc_info
    if record.stack_info:
        line["stack_info"] = record.stack_info
    for key, value in record.__dict__.items():
        if key not in STANDARD_ATTRIBUTES:
            line[key] = value


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")


def _collect_less() -> None:
    """No line shows these; Python's logging how-to, "Optimization", turns them off in this way."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _for_people(origin: dict[str, str]) -> list[Any]:
    """structlog's processors for lines on a terminal."""

    def add_origin(logger: Any, method: str, event: Event) -> Event:
        event.update(origin)
        event.setdefault("correlation_id", context.correlation_id())
        if place := tracing.current_place():
            event.setdefault("trace_id", place.trace_id)
            event.setdefault("span_id", place.span_id)
        return event

    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_origin,
    ]


def _console(shared: list[Any]) -> dict[str, Any]:
    return {
        "()": "structlog.stdlib.ProcessorFormatter",
        "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(timestamp_key="time"),
        ],
    }


def follow_logging() -> None:
    """Send lines of ``structlog`` through the project's own ``LOGGING``, unless it configured structlog."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[structlog.stdlib.filter_by_level, _to_logging],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        )


def show_where_nobody_does() -> None:
    """Configure the logs of this process where the project's settings have no ``LOGGING``.

    Django alone shows no line below WARNING of any logger but its own.
    """
    from django.conf import settings  # an edge process of the gateway has no Django

    if not settings.LOGGING:
        logging.config.dictConfig(logging_config(conf.project_name(), conf.service_name()))


def _to_logging(_logger: Any, _method: str, event: Event) -> tuple[tuple[str, str], Event]:
    """The arguments of a call of ``logging``. Formats show the text alone, so the fields follow it."""
    passed = {name: event.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in event}
    fields = "".join(f" {name}={value!r}" for name, value in event.items() if name != "event")
    # The text is no format.
    return ("%s", f"{event.get('event')}{fields}"), passed
