"""The topic matcher follows AMQP exactly."""

import pytest
from amqp.basic_message import Message
from hypothesis import given
from hypothesis import strategies as st

from atoll.bus.broker import transports
from atoll.bus.topic_match import is_pattern, matches

word = st.sampled_from(["a", "b", "order"])
keys = st.lists(word, min_size=1, max_size=5).map(".".join)
patterns = st.lists(st.one_of(word, st.sampled_from(["*", "#"])), min_size=1, max_size=5).map(".".join)

TABLE = [
    ("order.created", "order.created", True),
    ("order.created", "order.cancelled", False),
    ("order.*", "order.created", True),
    ("order.*", "order", False),
    ("order.*", "order.item.added", False),
    ("order.#", "order", True),
    ("order.#", "order.item.added", True),
    ("#.added", "order.item.added", True),
    ("#.added", "added", True),
    ("*.#.added", "added", False),
    ("#", "", True),
    ("*", "", False),
    ("a.#.b.#.c", "a.b.b.c", True),
    ("a.#.b.#.c", "a.c", False),
    ("order.creat.d", "order.created", False),
]


@pytest.mark.parametrize(("pattern", "key", "expected"), TABLE)
def test_a_pattern_matches_as_amqp_says(pattern: str, key: str, expected: bool) -> None:
    assert matches(pattern, key) is expected


def reference(pattern: list[str], words: list[str]) -> bool:
    """The definition, word by word and slow."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(reference(pattern[1:], words[n:]) for n in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and reference(pattern[1:], words[1:])


@given(patterns, keys)
def test_it_agrees_with_the_definition(pattern: str, key: str) -> None:
    assert matches(pattern, key) is reference(pattern.split("."), key.split("."))


@given(keys)
def test_a_key_matches_itself_and_a_hash_matches_every_key(key: str) -> None:
    assert matches(key, key)
    assert matches("#", key)
    assert not is_pattern(key)


def test_rabbitmq_routes_the_same_way(rabbitmq: str) -> None:
    with transports.current().connect("test") as opened:
        channel = opened.channel()
        names = transports.current().names
        names.declare_exchanges(channel)
        for pattern, key, expected in TABLE:
            queue, _, _ = channel.queue_declare(exclusive=True)
            channel.queue_bind(queue, names.events.name, pattern)
            channel.basic_publish(Message("{}"), names.events.name, key)
            found = channel.basic_get(queue, no_ack=True) is not None
            assert found is expected, (pattern, key)
            channel.queue_delete(queue)
