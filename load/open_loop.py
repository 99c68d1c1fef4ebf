"""Places orders at fixed times, independent of the time that earlier answers took."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from uuid import uuid4

import requests

from demo.shopper import Item, Json, PlatformNotRunning, Refused, Shopper
from load.customers import Connection
from load.figures import Figures

LATE = "not sent: every connection was busy"
SEED = 7
# Of answers that say that no order was placed.
CLEAR = range(400, 500)
UNCLEAR = frozenset({408})
# Another request with the key was still running.
UNCLEAR_CODES = frozenset({"request_in_flight"})


class OpenLoop:
    """Sends one order at each of its times, on one thread for each connection.

    A latency counts from the time at which the order was due, also when no connection was free then.
    Orders that no connection could send within ``grace_s`` after the last of these times count as errors.
    Without ``per_s`` each connection orders as soon as its last order is answered.
    """

    def __init__(
        self,
        connections: Sequence[Connection],
        products: Sequence[Json],
        figures: Figures,
        on_accepted: Callable[[Connection, str, float], None],
        *,
        per_s: float | None,
        seconds: float,
        grace_s: float,
    ) -> None:
        self.per_s, self.seconds = per_s, seconds
        self.stopping = threading.Event()
        # Orders that may have been placed although no answer says so.
        self.unclear = 0
        self._figures, self._products, self._on_accepted = figures, products, on_accepted
        self._grace_s = grace_s
        self._lock = threading.Lock()
        self._next = 0
        self._begun = time.monotonic()
        self._threads = [
            threading.Thread(
                target=self._send,
                args=(connection, random.Random(SEED + number)),  # noqa: S311
                daemon=True,
            )
            for number, connection in enumerate(connections)
        ]

    def start(self) -> None:
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begun

    @property
    def is_sending(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for the threads. After Ctrl-C during ``start``, only some of them were started."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _send(self, connection: Connection, choice: random.Random) -> None:
        while (due_s := self._take()) < self.seconds:
            if self.stopping.wait(max(0.0, due_s - self.elapsed_s)):
                break
            if self.per_s is not None and self.elapsed_s > self.seconds + self._grace_s:
                self._figures.failed(due_s, LATE)
            else:
                self._order(connection, choice, due_s)

    def _take(self) -> float:
        """The time of the next order, in seconds since the begin."""
        if self.per_s is None:
            return self.elapsed_s
        with self._lock:
            self._next += 1
            return (self._next - 1) / self.per_s

    def _order(self, connection: Connection, choice: random.Random, due_s: float) -> None:
        items = [Item(choice.choice(self._products)["id"], 1)]
        key = str(uuid4())

        def place(shopper: Shopper) -> str:
            return str(shopper.place_order(items, idempotency_key=key)["id"])

        try:
            order_id = connection.ask(place)
        except (
            Refused,
            PlatformNotRunning,
            requests.RequestException,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            self._failed(due_s, error)
        else:
            self._figures.accepted(due_s, self.elapsed_s - due_s)
            self._on_accepted(connection, order_id, due_s)

    def _failed(self, due_s: float, error: Exception) -> None:
        self._figures.failed(due_s, kind_of(error))
        if not _says_that_nothing_was_placed(error):
            with self._lock:
                self.unclear += 1


def _says_that_nothing_was_placed(error: Exception) -> bool:
    return (
        isinstance(error, Refused)
        and error.status in CLEAR
        and error.status not in UNCLEAR
        and error.code not in UNCLEAR_CODES
    )


def kind_of(error: Exception) -> str:
    """The error in a few words, equal for errors of one kind."""
    match error:
        case Refused():
            return f"{error.status} {error.code}".strip()
        case PlatformNotRunning():
            return "no connection"
        case requests.Timeout():
            return "no answer in time"
        case requests.RequestException():
            return "broken connection"
        case _:
            return "unreadable answer"
