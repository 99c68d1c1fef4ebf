"""Celery's consumer of hints, without the parts that the bus does not use."""

import logging
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker import consumer as untyped

from atoll.bus.worker import hint_filter, hints

log = structlog.get_logger("atoll.bus")

celery: Any = untyped  # its stubs leave most of it out

# It declares 28 quorum queues and as many exchanges per broker, for tasks with an ETA.
DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class Consumer(celery.Consumer):
    """``worker_consumer`` of every service.

    Its workers do not talk to each other (gossip, mingle): the bus does not use it, and after a reconnect
    with it workers received no more hints (https://github.com/celery/celery/issues/8030).
    """

    class Blueprint(celery.Consumer.Blueprint):
        default_steps = [step for step in celery.Consumer.Blueprint.default_steps if step != DELAYED_DELIVERY]

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **options: Any) -> None:
        silent = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
        super().__init__(*args, worker_options=(worker_options or {}) | silent, **options)

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Celery's handler for the hints of the bus. Other messages are logged and dropped."""
        handle = super().create_task_handler(*arguments, **options)

        def on_message(message: Any) -> None:
            problem = hint_filter.problem_with(message, hints.TASK)
            if problem is None:
                handle(message)
                return
            log.error("what is no hint dropped from the work queue", problem=problem)
            message.ack_log_error(logging.getLogger(__name__), self.connection_errors)

        return on_message
