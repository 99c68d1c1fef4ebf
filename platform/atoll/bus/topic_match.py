"""AMQP 0-9-1 topic matching, exactly, on every transport.

kombu's virtual transports match a little differently: there ``order.#`` misses
``order``, which AMQP includes.
"""

from functools import lru_cache


@lru_cache(maxsize=4096)
def matches(pattern: str, routing_key: str) -> bool:
    """Whether a queue bound with ``pattern`` receives ``routing_key``.

    ``*`` stands for exactly one word, ``#`` for any number of words, none included.
    """
    words = _words(routing_key)
    reached = {0}  # how many words the pattern so far can have consumed
    for part in _words(pattern):
        if part == "#":
            reached = set(range(min(reached), len(words) + 1)) if reached else set()
        else:
            reached = {n + 1 for n in reached if n < len(words) and part in ("*", words[n])}
    return len(words) in reached


def is_pattern(name: str) -> bool:
    """Whether the name has a wildcard word."""
    return any(word in ("*", "#") for word in _words(name))


def _words(key: str) -> list[str]:
    return key.split(".") if key else []
