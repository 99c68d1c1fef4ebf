"""Whether this instance is alive, and whether it should get traffic."""

from atoll.health.checks import register_check

__all__ = ["register_check"]
