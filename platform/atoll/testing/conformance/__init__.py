"""What the bus needs of a transport, as one suite: RabbitMQ, Redis and memory pass it, and so must yours.

Subclass ``Conformance`` in a test module of your own, with a fixture ``transport`` that
yields a ``TransportUnderTest`` and closes it; ``platform/tests/bus/test_conformance.py`` does so.
Where transports may differ, ``Capabilities`` says how, and the suite asks for exactly that.
"""

from atoll.testing.conformance.failures import Failures
from atoll.testing.conformance.routing import Routing

__all__ = ["Conformance"]


class Conformance(Routing, Failures):
    """The suite."""
