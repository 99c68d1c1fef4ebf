"""Refuses routes of which two could win one request, with nothing that tells them apart."""

from collections.abc import Iterator

from gateway.edge.routes.order import names_methods
from gateway.edge.routes.route import HeaderMatch, InvalidConfiguration, Route

Claim = tuple[int, str, str, str, str, bool, tuple[HeaderMatch, ...]]


def check_distinct(routes: tuple[Route, ...]) -> None:
    """Raises InvalidConfiguration, which names both routes and a request that both would win.

    Routes that ask for different header fields may both fit one request. Their names decide then.
    """
    names: set[str] = set()
    taken: dict[Claim, Route] = {}
    for route in routes:
        if route.name in names:
            raise InvalidConfiguration(f"Two routes are called '{route.name}'.")
        names.add(route.name)
        for method, host, claim in _claims(route):
            other = taken.setdefault(claim, route)
            if other is not route:
                raise InvalidConfiguration(_collision(other, route, method, host))


def _claims(route: Route) -> Iterator[tuple[str, str, Claim]]:
    fields = tuple(sorted(route.header_matches, key=lambda match: match.name))
    for host in dict.fromkeys(route.hosts) or ("",):
        for method in dict.fromkeys(route.methods):
            yield (
                method,
                host,
                (route.priority, host, route.match, route.prefix, method, names_methods(route), fields),
            )


def _collision(one: Route, other: Route, method: str, host: str) -> str:
    what = "alone" if one.match == "exact" else "and all below it"
    where = f"{method} {one.prefix} with priority {one.priority}"
    told = [f"({what})"]
    if host:
        told.append(f"on {host}")
    if one.header_matches:
        told.append("with " + ", ".join(f"{match.name}: {match.value}" for match in one.header_matches))
    return (
        f"Routes '{one.name}' and '{other.name}' both take {where} {' '.join(told)}: change a host, a "
        "method, a header field or a priority, so that it is clear which one wins."
    )
