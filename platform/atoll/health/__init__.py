"""Health: whether this instance is alive, and whether it is ready for traffic."""

from atoll.health.checks import register_check

__all__ = ["register_check"]
