"""Calling another service: ``ServiceClient("user-service").get(f"/users/{id}")``."""

from typing import TYPE_CHECKING

from atoll.late import late

if TYPE_CHECKING:
    from atoll.client.balancing import LeastConnections, Random, RoundRobin, TwoChoices
    from atoll.client.options import Options
    from atoll.client.reply import Reply
    from atoll.client.retry import Retry
    from atoll.client.service_client import ServiceClient

__all__ = [
    "LeastConnections",
    "Options",
    "Random",
    "Reply",
    "Retry",
    "RoundRobin",
    "ServiceClient",
    "TwoChoices",
]

__getattr__ = late(
    __name__,
    {
        "balancing": ("LeastConnections", "Random", "RoundRobin", "TwoChoices"),
        "options": ("Options",),
        "reply": ("Reply",),
        "retry": ("Retry",),
        "service_client": ("ServiceClient",),
    },
)
