"""The bus: publish events, send commands, register handlers for both.

``publish`` and ``send`` write an outbox row in the caller's transaction.
``on`` and ``handles`` register functions. A worker runs each function in one
transaction, together with the messages that the function publishes or sends.
This package imports neither Celery nor kombu, so a web process can publish
without them. docs/decisions/0002 gives the reasons for this design.
"""

from typing import TYPE_CHECKING

from atoll.bus.handler_exceptions import Dead, Ignore
from atoll.bus.handlers.registry import handles, on
from atoll.bus.message import Message
from atoll.bus.message_types import AddressedCommand, Command, Event
from atoll.bus.publishing import cancel_scheduled, publish, schedule, send
from atoll.bus.retry import Retry
from atoll.bus.upcasting import upcast
from atoll.late import late

if TYPE_CHECKING:
    from atoll.bus.worker.celery_app import celery_app

__all__ = [
    "AddressedCommand",
    "Command",
    "Dead",
    "Event",
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

__getattr__ = late(__name__, {"worker.celery_app": ("celery_app",)})
