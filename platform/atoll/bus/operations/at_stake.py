"""The things that depend on failing messages: the service's own, such as orders, and timers that will fire.

A service registers the things that it knows by the keys of messages. Each service answers for its own
things; the reporter of failures asks all of them.
"""

import contextvars
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from atoll import conf, wire
from atoll.errors import AtollError

__all__ = ["Amount", "Question", "Stake", "Things", "Timer", "register"]

URL_PATH = "bus/at-stake"
MAX_QUESTIONS = 10
MAX_IDS = 200
MAX_ID_CHARACTERS = 300
MAX_TIMERS, MAX_AMOUNTS = 10, 10
# Of all services together.
MOST_TIMERS, MOST_THINGS = 50, 10
TIMEOUT_S = 2.0

# A timer that failed already is a failure of its own.
TIMERS = """
SELECT message.name, count(*), min(delivery.next_attempt_at)
FROM (SELECT id, name FROM atoll_bus_inbox WHERE correlation_id = ANY(%(ids)s)
      LIMIT %(messages)s) AS message
JOIN atoll_bus_delivery AS delivery ON delivery.message_id = message.id
WHERE delivery.token <> '' AND delivery.status = 'pending' AND delivery.attempts = 0
GROUP BY message.name ORDER BY min(delivery.next_attempt_at) LIMIT %(timers)s
"""
MESSAGES_OF_ALL = 20_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """The messages of one cause, by their correlation ids and keys; at most MAX_IDS of each."""

    correlation_ids: list[str]
    keys: list[str]


@dataclass(frozen=True, kw_only=True)
class Timer:
    """``count`` timers of this name will fire, the first of them at ``first_at``."""

    name: str
    count: int
    first_at: datetime


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A sum of money in one currency."""

    currency: str
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Things:
    """So many of the service's things, such as ``orders``, and their sum in each currency."""

    name: str
    count: int
    amounts: list[Amount] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Stake:
    """The things and the timers that depend on the failing messages."""

    timers: list[Timer] = field(default_factory=list)
    things: list[Things] = field(default_factory=list)


Find = Callable[[Collection[str]], tuple[int, Mapping[str, Decimal]]]
_things: dict[str, Find] = {}


def register(name: str, find: Find) -> None:
    """Let a service tell how many of its things messages concern. Call it in ``AppConfig.ready``.

    ``find`` gets at most MAX_IDS keys, and returns the number of things and their sum by currency. A key
    may name something else.
    """
    _things[name] = find


def local(questions: Sequence[Question]) -> list[Stake]:
    """One answer for each question, from this service's database."""
    return [Stake(timers=_timers(one.correlation_ids), things=_found(one.keys)) for one in questions]


def everywhere(questions: Sequence[Question]) -> list[Stake]:
    """The answers of all services with a worker. One that does not answer in TIMEOUT_S adds nothing."""
    others = [
        project.service
        for project in conf.projects().values()
        if project.worker and project.service != conf.service_name()
    ]
    with ThreadPoolExecutor(max(len(others), 1), thread_name_prefix="at-stake") as pool:
        asked = [pool.submit(contextvars.copy_context().run, _ask, one, questions) for one in others]
        answers = [local(questions), *(one.result() for one in asked)]
    return [
        Stake(
            timers=sorted((timer for one in each for timer in one.timers), key=lambda timer: timer.first_at)[
                :MOST_TIMERS
            ],
            things=[things for one in each for things in one.things][:MOST_THINGS],
        )
        for each in zip(*answers, strict=True)
    ]


def _ask(service: str, questions: Sequence[Question]) -> list[Stake]:
    # Only a platform with other services needs the client and its packages.
    from atoll.client import Retry, ServiceClient

    nothing = [Stake() for _ in questions]
    client = ServiceClient(service, timeout_s=TIMEOUT_S, retry=Retry(limit=0))
    body = {"questions": [wire.to_payload(one) for one in questions]}
    try:
        reply = client.post(f"/{URL_PATH}", json=body).raise_for_status().json()
        answers = [wire.from_payload(Stake, one) for one in reply["answers"]]
    except (AtollError, ImproperlyConfigured, KeyError, TypeError, wire.SchemaError):
        return nothing
    return answers if len(answers) == len(questions) else nothing


def _timers(correlation_ids: Sequence[str]) -> list[Timer]:
    if not correlation_ids:
        return []
    asked: dict[str, Any] = {"ids": list(correlation_ids), "messages": MESSAGES_OF_ALL, "timers": MAX_TIMERS}
    with connection.cursor() as cursor:
        cursor.execute(TIMERS, asked)
        return [Timer(name=name, count=count, first_at=at) for name, count, at in cursor.fetchall()]


def _found(keys: Collection[str]) -> list[Things]:
    found = []
    for name, find in _things.items() if keys else ():
        count, sums = find(keys)
        if count:
            amounts = [Amount(currency=one, amount=sums[one]) for one in sorted(sums)[:MAX_AMOUNTS]]
            found.append(Things(name=name, count=count, amounts=amounts))
    return found
