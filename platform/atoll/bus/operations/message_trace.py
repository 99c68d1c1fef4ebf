"""Tracing a message: the steps of one message or correlation id in this service and in all others.

A trace contains no body: staff of one service must not see the personal data
that another service stores. It contains the first line of a handler's error.
"""

import contextvars
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from atoll import conf, wire
from atoll.errors import AtollError, BadAnswer, Unavailable

URL_PATH = "bus/messages"
MAX_ID_CHARACTERS = 300
MAX_STEPS = 200
MAX_ERROR_CHARACTERS = 200
TIMEOUT_S = 2.0
# The search in quarantine reads the senders' properties, which have no index, in this many newest rows.
QUARANTINE_SEARCHED = 5000
# The most messages of one correlation id that are read from one table.
GATHERED = 1000

# The query collects ids by index and sorts afterwards. In one step, PostgreSQL might read the
# whole table in the requested order instead.
FIND_STEPS = """
WITH announced AS MATERIALIZED (
    SELECT * FROM atoll_bus_outbox WHERE id = ANY(ARRAY(
        (SELECT id FROM atoll_bus_outbox WHERE correlation_id = %(wanted)s LIMIT %(gathered)s)
        UNION SELECT id FROM atoll_bus_outbox WHERE message_id = %(message_id)s))
), received AS MATERIALIZED (
    SELECT * FROM atoll_bus_inbox WHERE id = ANY(ARRAY(
        (SELECT id FROM atoll_bus_inbox WHERE correlation_id = %(wanted)s LIMIT %(gathered)s)
        UNION SELECT id FROM atoll_bus_inbox WHERE dedupe_key = ANY(%(dedupe_keys)s)))
), refused AS MATERIALIZED (
    SELECT * FROM (
        SELECT id, queue, routing_key, properties, reason, status, note, received_at
        FROM atoll_bus_quarantine ORDER BY id DESC LIMIT %(quarantine_searched)s) AS newest
    WHERE properties ->> 'correlation_id' = %(wanted)s OR properties ->> 'message_id' = %(wanted)s
)
SELECT created_at AS at, 'announced' AS what, message_id::text, correlation_id, name, destination AS place,
    status, attempts, error, NULL::timestamptz AS started_at, published_at AS finished_at,
    CASE WHEN status = 'pending' THEN next_attempt_at END AS due_at, id::text AS row_id, 0 AS rank
FROM announced
UNION ALL
SELECT received_at, 'received', message_id, correlation_id, name, service_id,
    'received', 0, '', NULL, NULL, NULL, id::text, 1
FROM received
UNION ALL
SELECT delivery.created_at, 'handled', received.message_id, received.correlation_id, received.name,
    delivery.handler, delivery.status, delivery.attempts, delivery.error, delivery.claimed_at,
    delivery.finished_at, CASE WHEN delivery.status = 'pending' THEN delivery.next_attempt_at END,
    delivery.id::text, 2
FROM received JOIN atoll_bus_delivery AS delivery ON delivery.message_id = received.id
UNION ALL
SELECT received_at, 'quarantined', COALESCE(properties ->> 'message_id', ''),
    COALESCE(properties ->> 'correlation_id', ''), routing_key, queue, status, 0, reason, NULL, NULL, NULL,
    id::text, 3
FROM refused
ORDER BY at, rank, row_id LIMIT %(limit)s
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a message in one service.

    ``what`` is announced, received, handled or quarantined. ``place`` is accordingly the
    routing key, the sender, the handler or the queue. ``due_at`` is the time of the next
    attempt, if one follows.
    """

    at: datetime
    what: str
    message_id: str
    correlation_id: str
    name: str
    place: str
    status: str
    attempts: int
    error: str
    started_at: datetime | None
    finished_at: datetime | None
    due_at: datetime | None
    row_id: str


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The steps in one service, oldest first. ``problem`` tells why a service did not answer."""

    service: str
    steps: list[Step] = field(default_factory=list)
    is_cut: bool = False
    problem: str = ""


def local_trace(wanted: str, limit: int = MAX_STEPS) -> Trace:
    """Return at most ``limit`` steps of a correlation id or a message id in this service.

    The message id of a foreign producer has the form ``sender/id``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            FIND_STEPS,
            {
                "wanted": wanted,
                "message_id": _uuid(wanted),
                "dedupe_keys": _dedupe_keys(wanted),
                "quarantine_searched": QUARANTINE_SEARCHED,
                "gathered": GATHERED,
                "limit": limit + 1,
            },
        )
        rows = cursor.fetchall()
    steps = [_step(row) for row in rows[:limit]]
    return Trace(service=conf.service_name(), steps=steps, is_cut=len(rows) > limit)


def platform_traces(wanted: str) -> list[Trace]:
    """Return one trace for each service with a worker, this service first.

    Asks the other services in parallel and takes little more than TIMEOUT_S. A
    service that does not answer in time has a trace with a ``problem``.
    """
    others = [
        project.service
        for project in conf.projects().values()
        if project.worker and project.service != conf.service_name()
    ]
    with ThreadPoolExecutor(max_workers=max(len(others), 1), thread_name_prefix="trace") as pool:
        asked = [pool.submit(contextvars.copy_context().run, _ask, service, wanted) for service in others]
        traces = [local_trace(wanted)]
        traces.extend(answer.result() for answer in asked)
    return traces


def _ask(service: str, wanted: str) -> Trace:
    # Only a platform with other services needs the client and its packages.
    from atoll.client import Retry, ServiceClient

    client = ServiceClient(service, timeout_s=TIMEOUT_S, retry=Retry(limit=0))
    try:
        answer = client.get(f"/{URL_PATH}", params={"id": wanted}).raise_for_status().json()
        steps = [wire.from_payload(Step, step) for step in answer["steps"]]
        return Trace(service=service, steps=steps[:MAX_STEPS], is_cut=bool(answer["isCut"]))
    except (KeyError, TypeError, wire.SchemaError) as error:
        return Trace(service=service, problem=str(BadAnswer(service, f"its answer cannot be read: {error}")))
    except Unavailable as error:
        # The call needs a token. Without one, the service named here is user-service.
        return Trace(service=service, problem=f"not answering ({error})")
    except (AtollError, ImproperlyConfigured) as error:
        return Trace(service=service, problem=f"refused to answer ({error})")


def _step(row: Sequence[Any]) -> Step:
    at, what, message_id, correlation_id, name, place, status, attempts, error, *times, row_id, _ = row
    started_at, finished_at, due_at = times
    return Step(
        at=at,
        what=str(what),
        message_id=str(message_id),
        correlation_id=str(correlation_id),
        name=str(name),
        place=str(place),
        status=str(status),
        attempts=int(str(attempts)),
        error=str(error).partition("\n")[0][:MAX_ERROR_CHARACTERS],
        started_at=started_at,
        finished_at=finished_at,
        due_at=due_at,
        row_id=str(row_id),
    )


def _dedupe_keys(wanted: str) -> list[str]:
    """Return the possible dedupe keys of a message id: the inbox has an index on these only."""
    senders = {project.service for project in conf.projects().values()} | {
        conf.service_name(),
        "unknown",
        "sha256",
    }
    return [wanted, *(f"{sender}/{wanted}" for sender in senders)]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
