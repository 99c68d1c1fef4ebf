"""Counts of received messages, for ``/metrics`` of the worker."""

from collections import Counter as Counts
from collections.abc import Iterable

from prometheus_client import Counter

from atoll.bus.broker.envelope import Envelope

RECEIVED = Counter("bus_messages_received", "Messages stored, by sender and name.", ("sender", "name"))
OTHER = "other"
# Each pair of labels costs memory, and a sender may make up names.
MAX_PAIRS = 500

_pairs: set[tuple[str, str]] = set()


def count_arrivals(messages: Iterable[Envelope]) -> None:
    for pair, count in Counts((message.service_id, message.name) for message in messages).items():
        if pair not in _pairs:
            if len(_pairs) >= MAX_PAIRS:
                pair = (OTHER, OTHER)
            _pairs.add(pair)
        RECEIVED.labels(*pair).inc(count)
