"""Hosts that routes name: exact names, and wildcards for one or more labels such as ``*.example.com``."""

from collections.abc import Collection

EXACT = 1000  # nearer than every wildcard, which has at most 253 characters
NO_HOST = ""


def plain(host: bytes) -> str:
    """The name in a Host field: in lower case, without port and without a dot at its end."""
    text = host.decode("latin-1").lower()
    if not text.startswith("["):
        text = text.partition(":")[0]
    return text.removesuffix(".")


def nearness(patterns: tuple[str, ...], host: str) -> int | None:
    """How near the nearest of ``patterns`` comes to a plain host. None when no pattern takes it.

    A route without patterns takes every host, with nearness 0.
    """
    if not patterns:
        return 0
    return max((near for one in patterns if (near := _nearness(one, host))), default=None)


def _nearness(pattern: str, host: str) -> int:
    if pattern == host:
        return EXACT
    suffix = pattern.removeprefix("*")
    takes = suffix != pattern and host.endswith(suffix) and len(host) > len(suffix)
    return len(suffix) if takes else 0


def kind(host: str, patterns: Collection[str]) -> str:
    """The nearest pattern for a plain host, NO_HOST when none takes it.

    Hosts of one kind have the same routes, so the pattern can stand for the host.
    """
    dot = host.find(".")
    if host in patterns:
        return host
    while dot != -1:
        wildcard = f"*{host[dot:]}"
        if wildcard in patterns:
            return wildcard
        dot = host.find(".", dot + 1)
    return NO_HOST
