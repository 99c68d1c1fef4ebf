"""Rewrites the links in a service's answer from the service's paths to the gateway's.

A service sends ``Location: /orders/7`` or ``http://10.0.0.4:8002/orders/7``. The client
gets ``/api/orders/7``, and never an inner address.
"""

import re

from gateway.edge.headers import HeaderList
from gateway.edge.routes.routing import CompiledRoute

LINK_HEADERS = frozenset((b"location", b"content-location", b"link"))
LINK_TARGET = re.compile(rb"<([^<>]*)>")


class LinkRewriter:
    """``authority`` is the host and port of the instance that answered."""

    __slots__ = ("_authority", "_route")

    def __init__(self, route: CompiledRoute, authority: bytes) -> None:
        self._route = route
        self._authority = authority

    def rewrite(self, headers: HeaderList) -> None:
        """Changes the list in place."""
        for index, (name, value) in enumerate(headers):
            if name in LINK_HEADERS:
                if name == b"link":
                    value = LINK_TARGET.sub(lambda match: b"<" + self.public(match[1]) + b">", value)
                else:
                    value = self.public(value)
                headers[index] = (name, value)

    def public(self, location: bytes) -> bytes:
        """The location as the client may use it. A location outside of the route stays as it is."""
        for scheme in (b"http://", b"https://"):
            inner = scheme + self._authority
            if location.startswith(inner) and location[len(inner) :][:1] in (b"/", b"?", b"#", b""):
                location = location[len(inner) :] or b"/"
        own = self._route.service_path
        if location.startswith(own) and location[len(own) :][:1] in (b"/", b"?", b"#", b""):
            return self._route.prefix + location[len(own) :]
        return location
