"""Rewrites the places that a service's answer names from the service's paths to the gateway's.

A service sends ``Location: /orders/7``, ``http://10.0.0.4:8002/orders/7`` or, built from
X-Forwarded-Host, ``https://shop.test/orders/7``. The client gets ``/api/orders/7`` or
``https://shop.test/api/orders/7``, and never an inner address.
"""

import re
from collections.abc import Callable

from gateway.edge.headers import HeaderList
from gateway.edge.routes.compiled import CompiledRoute

ABSOLUTE = re.compile(rb"((?:https?:)?//)([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
LINK_TARGET = re.compile(rb"<([^<>]*)>")
REFRESH = re.compile(rb"(\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?)(['\"]?)(.*)", re.IGNORECASE | re.DOTALL)
PINNED_COOKIE = b"__host-"  # such a cookie must have the path / and no domain (RFC 6265bis §4.1.3.2)


class LinkRewriter:
    """``authority`` is the host and port of the instance that answered, ``host`` the client's Host field."""

    __slots__ = ("_authority", "_host", "_route")

    def __init__(self, route: CompiledRoute, authority: bytes, host: bytes = b"") -> None:
        self._route = route
        self._authority = authority.lower()
        self._host = host.lower()

    def rewrite(self, headers: HeaderList) -> None:
        """Changes the list in place."""
        for index, (name, value) in enumerate(headers):
            change = CHANGES.get(name)
            if change is not None:
                headers[index] = (name, change(self, value))

    def public(self, location: bytes) -> bytes:
        """The location as the client may use it. Other sites and relative ones stay as they are."""
        found = ABSOLUTE.fullmatch(location)
        if found is None:
            return self._route.public_path(location) if location.startswith(b"/") else location
        site, path = found[2].lower(), found[3]
        if not path.startswith(b"/"):
            path = b"/" + path
        if site == self._authority:
            return self._route.public_path(path)
        if site == self._host:
            return found[1] + found[2] + self._route.public_path(path)
        return location

    def _links(self, value: bytes) -> bytes:
        return LINK_TARGET.sub(lambda match: b"<" + self.public(match[1]) + b">", value)

    def _refresh(self, value: bytes) -> bytes:
        found = REFRESH.fullmatch(value)
        if found is None:
            return value
        start, quote, rest = found.groups()
        target, end = rest, b""
        if quote and quote in rest:
            target, _, end = rest.partition(quote)
            end = quote + end
        return start + quote + self.public(target) + end

    def _cookie(self, value: bytes) -> bytes:
        pair, *attributes = value.split(b";")
        if pair.strip().lower().startswith(PINNED_COOKIE):
            return value
        return b";".join([pair, *filter(None, map(self._attribute, attributes))])

    def _attribute(self, attribute: bytes) -> bytes | None:
        """An attribute of a cookie as the client needs it. None for the domain of an inner address."""
        name, _, value = attribute.partition(b"=")
        value = value.strip()
        match name.strip().lower():
            case b"path" if value.startswith(b"/"):
                return b" Path=" + self._route.public_cookie_path(value)
            case b"domain" if value.lower().removeprefix(b".") == _name(self._authority) != _name(self._host):
                return None
        return attribute


def _name(authority: bytes) -> bytes:
    """The host without its port."""
    return authority if authority.endswith(b"]") else authority.rpartition(b":")[0] or authority


CHANGES: dict[bytes, Callable[[LinkRewriter, bytes], bytes]] = {
    b"location": LinkRewriter.public,
    b"content-location": LinkRewriter.public,
    b"link": LinkRewriter._links,
    b"refresh": LinkRewriter._refresh,
    b"set-cookie": LinkRewriter._cookie,
}
