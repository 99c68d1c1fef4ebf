"""Links in a service's answer, from the service's own paths to the gateway's.

A service says ``Location: /orders/7`` or ``http://10.0.0.4:8002/orders/7``; the
client must read ``/api/orders/7``, and never an inner address.
"""

import re

from gateway.edge.headers import HeaderList
from gateway.edge.routes.routing import CompiledRoute

LINKED = frozenset((b"location", b"content-location", b"link"))
LINK_TARGET = re.compile(rb"<([^<>]*)>")


class Locations:
    __slots__ = ("_authority", "_route")

    def __init__(self, route: CompiledRoute, authority: bytes) -> None:
        self._route = route
        self._authority = authority

    def rewrite(self, headers: HeaderList) -> None:
        """Changes the list in place."""
        for index, (name, value) in enumerate(headers):
            if name in LINKED:
                if name == b"link":
                    value = LINK_TARGET.sub(lambda match: b"<" + self.outer(match[1]) + b">", value)
                else:
                    value = self.outer(value)
                headers[index] = (name, value)

    def outer(self, location: bytes) -> bytes:
        """The location as the client may use it; one of somebody else is left alone."""
        for scheme in (b"http://", b"https://"):
            inner = scheme + self._authority
            if location.startswith(inner) and location[len(inner) :][:1] in (b"/", b"?", b"#", b""):
                location = location[len(inner) :] or b"/"
        own = self._route.service_path
        if location.startswith(own) and location[len(own) :][:1] in (b"/", b"?", b"#", b""):
            return self._route.prefix + location[len(own) :]
        return location
