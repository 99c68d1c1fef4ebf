"""The order in which fitting routes win: that of the Kubernetes Gateway API, after an explicit priority."""

from gateway.edge.routes.hosts import nearness
from gateway.edge.routes.route import METHODS, Route

CRITERIA = (
    "the higher priority",
    "the nearer host",
    "an exact path",
    "the longer path",
    "methods of its own",
    "more header fields",
    "the earlier name",
)

Rank = tuple[int, int, int, int, int, int, str]


def rank(route: Route, host: str) -> Rank:
    """The lowest rank wins. Its parts are those of `CRITERIA`. The route must take ``host``."""
    return (
        -route.priority,
        -(nearness(route.hosts, host) or 0),
        route.match != "exact",
        -len(route.prefix),
        names_methods(route) is False,
        -len(route.header_matches),
        route.name,
    )


def names_methods(route: Route) -> bool:
    """Whether the route takes some methods only. One that takes all counts as one without methods."""
    return set(route.methods) != set(METHODS)


def advantage(winner: Route, other: Route, host: str) -> str:
    """Why ``winner`` comes before ``other`` for a request that fits both."""
    pairs = zip(CRITERIA, rank(winner, host), rank(other, host), strict=True)
    return next(text for text, one, two in pairs if one != two)
