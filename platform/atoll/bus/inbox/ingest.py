"""Receiving: from the service's two queues into its inbox.

A message is acknowledged after the commit that stored it and never requeued,
so that no redelivery limit, consumer timeout or requeue rule of any broker
matters. While the database is away nothing is consumed: the broker keeps it.

Where a handler is ordered, one instance of the service consumes and the others
stand by: two would store a key's messages in any order (docs/decisions/0030).

Handlers are written down before their keys are bound, so that what a new binding
brings finds them known, and the bindings are made again every few seconds: an
exchange or a binding that somebody deleted is back soon.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection
from kombu import Connection, Consumer

from atoll.bus import faults
from atoll.bus.broker import topology
from atoll.bus.broker.bindings import Bindings
from atoll.bus.handlers import enrolment, known
from atoll.bus.inbox import consumer_lock
from atoll.bus.inbox.consumer_status import Listening
from atoll.bus.inbox.quarantine import Arrival
from atoll.bus.inbox.receiving import receive, refuse
from atoll.bus.inbox.store import OutOfTurn
from atoll.bus.inbox.suspects import Suspects

log = structlog.get_logger("atoll.bus")

PREFETCH = 200
BATCH = 100
POLL_S = 0.5
# The Redis transport fetches one message at a time: worth a short wait for the next.
LINGER_S = 0.002
PUT_BACK_EVERY_S = 5.0
ASSERT_EVERY_S = 2.0
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 10.0
STAND_BY_S = 1.0
SETTLE_S = 0.2

Hint = Callable[[Sequence[UUID]], None]


class Ingestor:
    """One consumer of the service's queues, on a thread, a broker connection and a database connection
    of its own; comes back by itself when either is lost."""

    def __init__(self, hint: Hint, *, attends: bool = True) -> None:
        """``attends``: this process runs handlers, too."""
        self._hint = hint
        self._attends = attends
        self._stopping = threading.Event()
        self.consuming = threading.Event()
        # Consuming, or standing by for whoever consumes.
        self.ready = threading.Event()
        self.listening = Listening()
        self._suspects = Suspects()
        self._batch: list[Any] = []
        self._queues: dict[str, str] = {}
        self._is_alone = False

    def run(self) -> None:
        """Until ``stop``."""
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            broker = topology.connect("ingest")
            self._batch.clear()
            try:
                connection.ensure_connection()
                broker.connect()
                enrolment.register(attends=self._attends)
                if self._take_turn(broker):
                    self._consume(broker)
            except OutOfTurn:
                log.info("ingest makes way, a handler of another version wants its messages in order")
            except Exception as error:
                # Whatever it is, a service that stopped listening would be the greater evil.
                is_weather = isinstance(error, topology.weather())
                self.listening.ended(error, is_away=is_weather and topology.is_away(error))
                if self._batch and not isinstance(error, (OperationalError, InterfaceError)):
                    self._suspects.interrupted(_arrival(message, self._queues) for message in self._batch)
                log.error(
                    "ingest interrupted, trying again",
                    error=repr(error),
                    in_s=round(backoff_s, 1),
                    exc_info=not is_weather,
                )
            finally:
                was_consuming = self.consuming.is_set()
                self.consuming.clear()
                self.ready.clear()
                # In this order: what the broker held for us is back before the next one's turn begins.
                _close(broker)
                connection.close()
            backoff_s = FIRST_BACKOFF_S if was_consuming else min(backoff_s * 2, LAST_BACKOFF_S)
            self._stopping.wait(random.uniform(backoff_s / 2, backoff_s))  # noqa: S311

    def stop(self) -> None:
        """What is not stored yet goes back to the broker unacknowledged."""
        self._stopping.set()

    def _take_turn(self, broker: Connection) -> bool:
        """Stand by until this process may consume; False when told to stop.

        With an ordered handler it may when nobody else of the service does, and without one
        beside all that hold the same of theirs.
        """
        has_waited = False
        while not consumer_lock.take(alone=self._wants_to_be_alone()):
            if not has_waited:
                log.info("ingest standing by, another instance consumes")
            has_waited = True
            self.ready.set()
            self.listening.began()
            if broker.transport.driver_type == "amqp":
                with suppress(TimeoutError):
                    broker.drain_events(timeout=0.001)
                broker.heartbeat_check()
            if self._stopping.wait(random.uniform(STAND_BY_S / 2, STAND_BY_S)):  # noqa: S311
                return False
            known.reload()
        # The broker may need a moment to put back what an ended consumer had taken.
        return not (has_waited and self._stopping.wait(SETTLE_S))

    def _wants_to_be_alone(self) -> bool:
        self._is_alone = known.roster().has_ordered
        return self._is_alone

    def _consume(self, broker: Connection) -> None:
        is_amqp = broker.transport.driver_type == "amqp"
        channel: Any = broker.channel()
        names = topology.current()
        bindings = Bindings(broker, names)
        bindings.restore_exchanges()
        queues = names.declare_queues(channel, exact_matching=is_amqp)
        self._queues = {
            names.events.name: names.event_queue.name,
            names.commands.name: names.command_queue.name,
        }
        if not is_amqp:
            # What ended consumers had taken, first of all the one we were started to replace.
            channel.put_back()
        next_put_back = time.monotonic() + PUT_BACK_EVERY_S
        next_assert = time.monotonic() + ASSERT_EVERY_S
        careful = self._suspects.is_careful
        prefetch = 1 if careful else PREFETCH
        with Consumer(channel, queues, on_message=self._batch.append, prefetch_count=prefetch, accept=None):
            self.consuming.set()
            self.ready.set()
            self.listening.began()
            log.info("ingest consuming", queues=[queue.name for queue in queues], one_by_one=careful)
            try:
                # Taken one by one until what broke it is out of the way.
                while not self._stopping.is_set() and careful == self._suspects.is_careful:
                    if self._gather(broker, 1 if careful else BATCH, linger_s=0.0 if is_amqp else LINGER_S):
                        self._store(channel, is_amqp)
                    if is_amqp:
                        broker.heartbeat_check()
                    elif time.monotonic() > next_put_back:
                        channel.put_back(topology.VISIBILITY_TIMEOUT_S)
                        next_put_back = time.monotonic() + PUT_BACK_EVERY_S
                    if time.monotonic() > next_assert:
                        if known.reload().has_ordered != self._is_alone:
                            raise OutOfTurn
                        bindings.restore_exchanges()
                        names.declare_queues(channel, exact_matching=is_amqp)
                        next_assert = time.monotonic() + ASSERT_EVERY_S
            finally:
                if not is_amqp:
                    # kombu has asked Redis for the next message already, and drops what comes once
                    # nobody consumes any more. A channel that closes before that puts it back.
                    channel.close()

    def _gather(self, broker: Connection, most: int, linger_s: float) -> bool:
        """Wait for a message and take what else is there already; whether there is any."""
        # Something may have come while bindings were made again.
        timeout_s = linger_s if self._batch else POLL_S
        while len(self._batch) < most:
            try:
                broker.drain_events(timeout=timeout_s)
            except TimeoutError:
                break
            timeout_s = linger_s
        return bool(self._batch)

    def _store(self, channel: Any, is_amqp: bool) -> None:
        faults.point("ingest.before_store")
        arrivals = [_arrival(message, self._queues) for message in self._batch]
        condemned = [arrival for arrival in arrivals if self._suspects.condemned(arrival)]
        for arrival in condemned:
            refuse(arrival, "Receiving broke whenever this message came, so it was not read.")
        fresh = receive([arrival for arrival in arrivals if arrival not in condemned])
        faults.point("ingest.after_store")
        if is_amqp:
            channel.basic_ack(self._batch[-1].delivery_tag, multiple=True)
        else:
            channel.acknowledge([message.delivery_tag for message in self._batch])
        self._suspects.stored(arrivals)
        self._batch.clear()
        if fresh:
            self._hint(fresh)


def _arrival(message: Any, queues: Mapping[str, str]) -> Arrival:
    """``queues`` names the queue behind each exchange; past those, the routing key is the queue's name."""
    way = message.delivery_info or {}
    body = message.body or b""
    routing_key = str(way.get("routing_key") or "")
    properties = {k: v for k, v in (message.properties or {}).items() if k != "application_headers"}
    return Arrival(
        queue=queues.get(str(way.get("exchange")), routing_key),
        routing_key=routing_key,
        body=body.encode(errors="replace") if isinstance(body, str) else bytes(body),
        properties=properties,
        headers=dict(message.headers or {}),
        problem=message.problem,
    )


def _close(broker: Connection) -> None:
    try:
        broker.close()
    except (*broker.connection_errors, *broker.channel_errors):
        broker.collect()
