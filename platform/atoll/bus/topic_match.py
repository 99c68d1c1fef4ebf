"""Topic matching by the rules of AMQP 0-9-1, the same for every transport.

kombu's virtual transports differ: their ``order.#`` does not match ``order``.
"""

from functools import lru_cache


@lru_cache(maxsize=4096)
def matches(pattern: str, routing_key: str) -> bool:
    """Whether a queue bound with ``pattern`` receives ``routing_key``.

    ``*`` matches exactly one word, ``#`` matches zero or more words.
    """
    words = _words(routing_key)
    reached = {0}  # the numbers of words that the pattern so far can match
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
