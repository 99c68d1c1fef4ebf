"""Structured logs: one JSON object a line, or coloured text on a terminal.

Everything goes through the standard ``logging`` module, so lines of Django, Celery
and Granian look like ours. Give fields as ``extra={...}``, or use ``structlog``.
"""

import logging
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from atoll import conf, context
from atoll.server.identity import instance_id

Event = MutableMapping[str, Any]

FIRST_KEYS = ("time", "level", "service", "instance", "process", "correlation_id", "logger", "event")
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
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        Origin(service, instance_id(service), process_name()),
    ]
    logging.captureWarnings(True)
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
        "formatters": {
            "structured": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_rendering(project),
                ],
            }
        },
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


class Origin:
    """Adds service, instance and process to a line, and the correlation id of its work."""

    def __init__(self, service: str, instance: str, process: str) -> None:
        self.origin = {"service": service, "instance": instance, "process": process}

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        event.update(self.origin)
        event.setdefault("correlation_id", context.correlation_id())
        return event


def in_order(logger: Any, method: str, event: Event) -> Event:
    """The fixed keys in a fixed order, then the line's own fields."""
    head = {key: event.get(key) for key in FIRST_KEYS}
    return head | {key: value for key, value in event.items() if key not in head}


def _rendering(project: str) -> list[Any]:
    wanted = conf.variable("LOG_FORMAT", project) or ("console" if sys.stdout.isatty() else "json")
    if wanted == "console":
        return [structlog.dev.ConsoleRenderer(timestamp_key="time")]
    return [structlog.processors.format_exc_info, in_order, structlog.processors.JSONRenderer(default=str)]
