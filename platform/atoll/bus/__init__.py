"""The bus: announce facts, ask for work, react to both.

``publish`` and ``send`` write an outbox row in the caller's transaction;
``on`` and ``handles`` register functions that a worker runs, each in one
transaction with what it sends. Nothing here imports Celery or kombu: a web
process can publish without them. docs/decisions/0002 says why it is built so.
"""

from atoll.bus.handler_exceptions import Dead, Ignore
from atoll.bus.handlers.registry import handles, on
from atoll.bus.message import Message
from atoll.bus.publishing import cancel_scheduled, publish, schedule, send
from atoll.bus.retry import Retry
from atoll.bus.upcasting import upcast

__all__ = [
    "Dead",
    "Ignore",
    "Message",
    "Retry",
    "cancel_scheduled",
    "celery_app",
    "handles",
    "on",
    "publish",
    "schedule",
    "send",
    "upcast",
]


def __getattr__(name: str) -> object:
    if name == "celery_app":
        from atoll.bus.worker.celery_app import celery_app

        return celery_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
