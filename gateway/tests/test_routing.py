"""The choice of a route. The groups bear the names of the Gateway API's conformance tests that they follow.

One difference is meant: a method that no fitting route takes is 405 with Allow, where they ask for 404.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes import hosts, snapshot
from gateway.edge.routes.compiled import CompiledRoute
from gateway.edge.routes.order import CRITERIA, advantage, rank
from gateway.edge.routes.routing import Table
from gateway.tests import harness
from gateway.tests.harness import Gateway, table
from gateway.tests.upstream import Upstream

GET = ["GET"]
ALL = list(snapshot.METHODS)


def row(name: str, prefix: str = "", **fields: Any) -> dict[str, Any]:
    return harness.row(name, prefix, **{"service_path": "/s", **fields})


def chosen(
    routes: Table, method: str, path: str, host: str = "", fields: dict[str, str] | None = None
) -> str | int:
    """The name of the route that wins, or the status of the refusal."""
    sent = {name.encode(): value.encode() for name, value in (fields or {}).items()}
    try:
        return routes.match(method, path.encode(), host.encode(), sent).name
    except ErrorResponse as refused:
        return refused.status


def make(*rows: dict[str, Any]) -> Table:
    return Table(snapshot.read(table(*rows)))


EXACT_PATH_MATCHING = make(
    row("one", "/one", match="exact"),
    row("two", "/two", match="exact"),
    row("three", "/three/", match="exact"),
)
MATCHING = make(
    row("v1", "/"),
    row("v1-header", "/", header_matches={"version": "one"}),
    row("v2", "/v2"),
    row("v2-header", "/", header_matches={"version": "two"}),
)
MATCHING_ACROSS_ROUTES = make(
    row("part1", "/", hosts=["example.com", "example.net"]),
    row("part1-header", "/", hosts=["example.com", "example.net"], header_matches={"version": "one"}),
    row("part2", "/v2", hosts=["example.com"]),
    row("part2-header", "/", hosts=["example.com"], header_matches={"version": "two"}),
)
PATH_MATCH_ORDER = make(
    row("v3", "/match"),
    row("v2", "/match/exact", match="exact"),
    row("v1", "/match/prefix"),
    row("v3-one", "/match/exact/one", match="exact"),
    row("v1-exact", "/match", match="exact"),
    row("v2-one", "/match/prefix/one"),
)
HEADER_MATCHING = make(
    row("one", "/", header_matches={"version": "one"}),
    row("two", "/", header_matches={"version": "two"}),
    row("both", "/", header_matches={"version": "two", "color": "orange"}),
    row("blue", "/", header_matches={"color": "blue"}),
    row("red", "/", header_matches={"color": "red"}),
)
METHOD_MATCHING = make(
    row("post", "/", methods=["POST"]),
    row("get", "/", methods=GET),
    row("get-path1", "/path1", methods=GET),
    row("put-one", "/", methods=["PUT"], header_matches={"version": "one"}),
    row("post-two", "/path2", methods=["POST"], header_matches={"version": "two"}),
    row("path5", "/path5"),
    row("patch", "/", methods=["PATCH"]),
    row("four", "/", header_matches={"version": "four"}),
)
HOSTNAME_INTERSECTION = make(
    row("s1", "/s1", hosts=["very.specific.com"]),
    row("s2", "/s2", hosts=["*.wildcard.io", "other.test"]),
    row("any", "/any"),
)
LISTENER_HOSTNAMES = make(
    row("bar", "/", hosts=["bar.com"]),
    row("foo-bar", "/", hosts=["foo.bar.com"]),
    row("wild-bar", "/", hosts=["*.bar.com"]),
    row("wild-foo", "/", hosts=["*.foo.com"]),
    row("wild-deep", "/", hosts=["*.deep.bar.com"]),
)
PRECEDENCE = make(
    row("urgent", "/urgent", priority=5),
    row("host", "/", hosts=["a.test"], methods=GET),
    row("wild", "/long/path", hosts=["*.test"], header_matches={"x-a": "1", "x-b": "1"}),
    row("none", "/urgent/exact", match="exact", methods=GET, header_matches={"x-a": "1"}),
    row("get", "/m", methods=GET),
    row("header", "/m", header_matches={"x-a": "1", "x-b": "1"}),
    row("b-name", "/n", header_matches={"x-b": "1"}),
    row("a-name", "/n", header_matches={"x-a": "1"}),
)

CASES: list[tuple[str, Table, tuple[Any, ...], str | int]] = [
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/one"), "one"),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/two"), "two"),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/"), 404),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/one/example"), 404),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/one/"), 404),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/Two"), 404),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/three/"), "three"),
    ("HTTPExactPathMatching", EXACT_PATH_MATCHING, ("GET", "/three"), 404),
    ("HTTPRouteMatching", MATCHING, ("GET", "/"), "v1"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/example"), "v1"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/", "", {"version": "one"}), "v1-header"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/v2"), "v2"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/v2/"), "v2"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/v2/example"), "v2"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/v2example"), "v1"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/", "", {"version": "two"}), "v2-header"),
    ("HTTPRouteMatching", MATCHING, ("GET", "/foo/v2/example"), "v1"),
    ("HTTPRouteMatchingAcrossRoutes", MATCHING_ACROSS_ROUTES, ("GET", "/", "example.com"), "part1"),
    ("HTTPRouteMatchingAcrossRoutes", MATCHING_ACROSS_ROUTES, ("GET", "/example", "example.net"), "part1"),
    ("HTTPRouteMatchingAcrossRoutes", MATCHING_ACROSS_ROUTES, ("GET", "/v2", "example.net"), "part1"),
    ("HTTPRouteMatchingAcrossRoutes", MATCHING_ACROSS_ROUTES, ("GET", "/v2", "example.com"), "part2"),
    (
        "HTTPRouteMatchingAcrossRoutes",
        MATCHING_ACROSS_ROUTES,
        ("GET", "/", "example.com", {"version": "two"}),
        "part2-header",
    ),
    ("HTTPRouteMatchingAcrossRoutes", MATCHING_ACROSS_ROUTES, ("GET", "/", "unknown.test"), 404),
    ("HTTPRoutePathMatchOrder", PATH_MATCH_ORDER, ("GET", "/match/exact/one"), "v3-one"),
    ("HTTPRoutePathMatchOrder", PATH_MATCH_ORDER, ("GET", "/match/exact"), "v2"),
    ("HTTPRoutePathMatchOrder", PATH_MATCH_ORDER, ("GET", "/match"), "v1-exact"),
    ("HTTPRoutePathMatchOrder", PATH_MATCH_ORDER, ("GET", "/match/prefix/one/any"), "v2-one"),
    ("HTTPRoutePathMatchOrder", PATH_MATCH_ORDER, ("GET", "/match/prefix/any"), "v1"),
    ("HTTPRoutePathMatchOrder", PATH_MATCH_ORDER, ("GET", "/match/any"), "v3"),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"version": "one"}), "one"),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"version": "two"}), "two"),
    (
        "HTTPRouteHeaderMatching",
        HEADER_MATCHING,
        ("GET", "/", "", {"version": "two", "color": "orange"}),
        "both",
    ),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"color": "orange"}), 404),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"some-other-header": "one"}), 404),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"color": "blue"}), "blue"),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"color": "red"}), "red"),
    ("HTTPRouteHeaderMatching", HEADER_MATCHING, ("GET", "/", "", {"color": "Blue"}), 404),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("POST", "/"), "post"),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("GET", "/"), "get"),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("HEAD", "/"), 405),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("GET", "/path1"), "get-path1"),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("PUT", "/", "", {"version": "one"}), "put-one"),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("POST", "/path2", "", {"version": "two"}), "post-two"),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("PUT", "/"), 405),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("PATCH", "/path5"), "path5"),
    ("HTTPRouteMethodMatching", METHOD_MATCHING, ("PATCH", "/", "", {"version": "four"}), "patch"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s1", "very.specific.com"), "s1"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s1", "very.specific.com:1234"), "s1"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s1", "VERY.specific.com."), "s1"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s1", "non.matching.com"), 404),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s1", "foo.wildcard.io"), 404),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s1", ""), 404),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s2", "foo.wildcard.io"), "s2"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s2", "foo.bar.wildcard.io:80"), "s2"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s2", "wildcard.io"), 404),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s2", "foo.nonwildcard.io"), 404),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/s2", "other.test"), "s2"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/other", "foo.wildcard.io"), 404),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/any", "foo.wildcard.io"), "any"),
    ("HTTPRouteHostnameIntersection", HOSTNAME_INTERSECTION, ("GET", "/any", "[::1]:8000"), "any"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "bar.com"), "bar"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "foo.bar.com"), "foo-bar"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "baz.bar.com"), "wild-bar"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "a.deep.bar.com"), "wild-deep"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "deep.bar.com"), "wild-bar"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "a.b.foo.com"), "wild-foo"),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "foo.com"), 404),
    ("HTTPRouteListenerHostnameMatching", LISTENER_HOSTNAMES, ("GET", "/", "no.matching.host"), 404),
    ("Precedence: priority before host", PRECEDENCE, ("GET", "/urgent/x", "a.test"), "urgent"),
    ("Precedence: priority before exact", PRECEDENCE, ("GET", "/urgent/exact", "", {"x-a": "1"}), "urgent"),
    (
        "Precedence: host before path and header fields",
        PRECEDENCE,
        ("GET", "/long/path", "a.test", {"x-a": "1", "x-b": "1"}),
        "host",
    ),
    (
        "Precedence: wildcard host before none",
        PRECEDENCE,
        ("POST", "/long/path", "a.test", {"x-a": "1", "x-b": "1"}),
        "wild",
    ),
    ("Precedence: method first", PRECEDENCE, ("GET", "/m", "", {"x-a": "1", "x-b": "1"}), "get"),
    ("Precedence: then fields", PRECEDENCE, ("POST", "/m", "", {"x-a": "1", "x-b": "1"}), "header"),
    ("Precedence: name at last", PRECEDENCE, ("GET", "/n", "", {"x-a": "1", "x-b": "1"}), "a-name"),
]  # fmt: skip


@pytest.mark.parametrize(("group", "routes", "request_", "winner"), CASES)
def test_the_gateway_apis_semantics(
    group: str, routes: Table, request_: tuple[Any, ...], winner: str | int
) -> None:
    assert chosen(routes, *request_) == winner, group


def test_a_method_that_no_fitting_route_takes_is_405_with_those_that_some_take() -> None:
    routes = make(
        row("get", "/a", methods=GET),
        row("put", "/a", methods=["PUT"], header_matches={"x-a": "1"}),
        row("delete", "/a", methods=["DELETE"], hosts=["a.test"]),
    )
    with pytest.raises(ErrorResponse) as refused:
        routes.match("POST", b"/a/x", b"b.test", {})
    assert (refused.value.status, dict(refused.value.headers)[b"allow"]) == (405, b"GET")


def test_a_route_for_every_path_leads_to_nothing_that_belongs_to_the_gateway_or_to_operators() -> None:
    routes = make(
        row("site", "/", service_path="/site"), row("whole", "/", service_path="", hosts=["w.test"])
    )

    assert chosen(routes, "GET", "/") == "site"
    assert routes.match("GET", b"/x/y").upstream_path(b"/x/y") == b"/site/x/y"
    for path in ("/admin", "/admin/x", "/metrics", "/health/live", "/static/x"):
        assert (chosen(routes, "GET", path), chosen(routes, "GET", path, "w.test")) == (404, 404)
    assert (chosen(routes, "GET", "/schema"), chosen(routes, "GET", "/schema", "w.test")) == ("site", 404)
    assert chosen(routes, "GET", "/adminx", "w.test") == "whole"


def test_an_exact_path_is_replaced_as_a_whole() -> None:
    routes = make(
        row("login", "/login", match="exact", service_path="/accounts/login/"),
        row("home", "/", match="exact", service_path=""),
    )
    assert routes.match("GET", b"/login").upstream_path(b"/login") == b"/accounts/login/"
    assert routes.match("GET", b"/").upstream_path(b"/") == b"/"
    assert chosen(routes, "GET", "/x") == 404


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ({"hosts": ["a.test", "b.test"]}, {"hosts": ["b.test"]}, r"GET /p with priority 0 .* on b.test"),
        ({"hosts": ["*.b.test"]}, {"hosts": ["*.b.test"]}, r"on \*.b.test"),
        ({"match": "exact"}, {"match": "exact"}, r"\(alone\)"),
        ({"header_matches": {"x-a": "1"}}, {"header_matches": {"x-a": "1"}}, "with x-a: 1"),
        ({"methods": ["GET", "PUT"]}, {"methods": ["PUT", "POST"]}, "both take PUT /p"),
        ({"priority": 3}, {"priority": 3}, "with priority 3"),
    ],
)
def test_two_routes_with_nothing_to_tell_them_apart_are_refused_in_words(
    one: dict[str, Any], two: dict[str, Any], told: str
) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match=told) as refused:
        make(row("one", "/p", **one), row("two", "/p", **two))
    assert "'one' and 'two'" in str(refused.value)


@pytest.mark.parametrize(
    ("one", "two", "why"),
    [
        ({"priority": 1}, {}, "the higher priority"),
        ({"hosts": ["a.b.test"]}, {"hosts": ["*.test"]}, "the nearer host"),
        ({"hosts": ["*.b.test"]}, {"hosts": ["*.test"]}, "the nearer host"),
        ({"hosts": ["*.test"]}, {}, "the nearer host"),
        ({"match": "exact"}, {}, "an exact path"),
        ({"prefix": "/p/q"}, {}, "the longer path"),
        ({"methods": GET}, {}, "methods of its own"),
        ({"header_matches": {"x-a": "1"}}, {}, "more header fields"),
        ({"header_matches": {"x-b": "1"}}, {"header_matches": {"x-a": "1"}}, "the earlier name"),
    ],
)
def test_each_criterion_tells_two_routes_apart_and_can_be_named(
    one: dict[str, Any], two: dict[str, Any], why: str
) -> None:
    routes = make(row("one", "/p") | one, row("two", "/p") | two)
    first, second = (compiled.route for compiled in routes.routes)
    assert advantage(first, second, "a.b.test") == why
    assert why in CRITERIA


def test_why_a_route_does_not_fit_is_told_in_words() -> None:
    [compiled] = make(row("r", "/p", hosts=["a.test"], methods=GET, header_matches={"x-a": "1"})).routes
    fields = {b"x-a": b"1"}
    assert compiled.mismatch("GET", b"/p/x", b"a.test:80", fields) is None
    assert compiled.mismatch("GET", b"/p/x", b"b.test", fields) == "its hosts are others"
    assert compiled.mismatch("GET", b"/q", b"a.test", fields) == "its path is another"
    assert compiled.mismatch("GET", b"/p", b"a.test", {}) == "it asks for x-a: 1"
    assert compiled.mismatch("PUT", b"/p", b"a.test", fields) == "it does not take PUT"


SEGMENTS = st.sampled_from(["a", "b", "ab"])
PATHS = st.lists(SEGMENTS, max_size=3).map(lambda found: "/" + "/".join(found))
HOSTS = st.sampled_from(["a.test", "b.test", "*.test", "*.a.test", "c.a.test", "*.c.a.test"])
FIELDS = st.dictionaries(st.sampled_from(["x-a", "x-b"]), st.sampled_from(["1", "2"]), max_size=2)
METHOD_SETS = st.sampled_from([ALL, GET, ["GET", "POST"], ["POST", "PUT"]])


@st.composite
def rows(draw: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "prefix": draw(PATHS),
        "match": draw(st.sampled_from(["prefix", "exact"])),
        "hosts": draw(st.lists(HOSTS, max_size=2, unique=True)),
        "methods": draw(METHOD_SETS),
        "header_matches": draw(FIELDS),
        "priority": draw(st.sampled_from([0, 0, 0, 1])),
    }


REQUESTS = st.tuples(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.tuples(PATHS, st.sampled_from(["", "/"])).map(lambda parts: (parts[0].rstrip("/") + parts[1]) or "/"),
    st.sampled_from(["a.test", "b.test:80", "C.A.test", "d.c.a.test", "x.test.", "test", "", "[::1]"]),
    FIELDS,
)


def scanned(
    routes: tuple[CompiledRoute, ...], method: str, path: str, host: str, sent: dict[str, str]
) -> Any:
    """The winner by the definition alone: all fitting routes, the first in rank."""
    name = hosts.plain(host.encode())
    fields = {key.encode(): value.encode() for key, value in sent.items()}
    fitting = [one for one in routes if one.mismatch(method, path.encode(), host.encode(), fields) is None]
    return min(fitting, key=lambda one: rank(one.route, name)).name if fitting else None


@settings(max_examples=200, deadline=None)
@given(st.lists(rows(), max_size=12), st.lists(REQUESTS, min_size=1, max_size=8))
def test_the_index_chooses_as_a_scan_of_all_routes_would(
    made: list[dict[str, Any]], requests: list[tuple[str, str, str, dict[str, str]]]
) -> None:
    kept: list[dict[str, Any]] = []
    for number, fields in enumerate(made):
        one = row(f"r-{number}", **fields)
        try:
            snapshot.read(table(*kept, one))
        except snapshot.InvalidConfiguration:
            continue
        kept.append(one)
    routes = make(*kept)
    for request_ in requests:
        winner = chosen(routes, *request_)
        assert (winner if isinstance(winner, str) else None) == scanned(routes.routes, *request_)


@settings(max_examples=150, deadline=None)
@given(rows(), rows(), st.lists(REQUESTS, min_size=5, max_size=20))
def test_two_routes_are_refused_only_if_one_request_can_tell_nothing_between_them(
    first: dict[str, Any], second: dict[str, Any], requests: list[tuple[str, str, str, dict[str, str]]]
) -> None:
    """Of accepted routes that both fit a request, something before the name differs, or their fields do."""
    one, two = (
        row(name, **{"service_path": "/s", **fields}) for name, fields in (("a", first), ("b", second))
    )
    try:
        routes = make(one, two).routes
    except snapshot.InvalidConfiguration:
        shared = [method for method in first["methods"] if method in second["methods"]]
        assert shared and (first["prefix"], first["match"]) == (second["prefix"], second["match"])
        assert first["header_matches"] == second["header_matches"]
        return
    for method, path, host, sent in requests:
        fields = {key.encode(): value.encode() for key, value in sent.items()}
        if all(r.mismatch(method, path.encode(), host.encode(), fields) is None for r in routes):
            ranks = [rank(r.route, hosts.plain(host.encode()))[:-1] for r in routes]
            assert ranks[0] != ranks[1] or first["header_matches"] != second["header_matches"]


def test_hosts_and_header_fields_choose_the_service_on_the_wire(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(
        row("shop", "/", hosts=["shop.test"], service_path="/shop"),
        row("beta", "/", hosts=["shop.test"], header_matches={"x-beta": "yes"}, service_path="/beta"),
        row("rest", "/", service_path="/rest"),
    )
    for fields, target in (
        ({"Host": "shop.test"}, "/shop/x"),
        ({"Host": "SHOP.test:8000"}, "/shop/x"),
        ({"Host": "shop.test", "X-Beta": "yes"}, "/beta/x"),
        ({"Host": "shop.test", "X-Beta": "no"}, "/shop/x"),
        ({"Host": "elsewhere.test", "X-Beta": "yes"}, "/rest/x"),
    ):
        assert gateway.request("GET", "/x", headers=fields).status == 200
        assert upstream.seen[-1].target == target
