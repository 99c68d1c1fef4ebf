"""What an answer names of its service's own place becomes the gateway's, and nothing else does."""

from collections.abc import Callable

import pytest

from gateway.edge.link_rewriting import LinkRewriter
from gateway.edge.routes import snapshot
from gateway.edge.routes.routing import CompiledRoute, Table
from gateway.tests.harness import Gateway, row, table
from gateway.tests.upstream import Upstream, answer

INNER = b"10.0.0.4:8002"
PUBLIC = b"shop.test:8000"
ROUTES = Table(
    snapshot.read(
        table(
            row("orders", "/api/orders", service_path="/orders"),
            row("users", "/api/users", service="user-service", service_path="/users"),
            row("auth", "/auth", service="user-service", service_path="/auth"),
            row("shop", "/shop", service="shop-service", service_path="/products"),
            row("whole", "/whole", service="whole-service", service_path=""),
            row("same", "/same", service="same-service", service_path="/same"),
            row("all", "/", service="site-service", service_path="/site"),
            row("login", "/login", match="exact", service="site-service", service_path="/accounts/login/"),
            row("hosted", "/h", hosts=["a.test"], service="hosted-service", service_path="/h1"),
            row("elsewhere", "/e", hosts=["b.test"], service="hosted-service", service_path="/h2"),
        )
    )
)
BY_NAME = {compiled.name: compiled for compiled in ROUTES.routes}


def rewriter(route: str) -> LinkRewriter:
    return LinkRewriter(BY_NAME[route], INNER, PUBLIC)


PLACES = [
    ("orders", "/orders/7", "/api/orders/7"),
    ("orders", "/orders", "/api/orders"),
    ("orders", "/orders?page=2", "/api/orders?page=2"),
    ("orders", "/orders#top", "/api/orders#top"),
    ("orders", "/ordersx/7", "/ordersx/7"),
    ("orders", "/other", "/other"),
    ("orders", "7", "7"),
    ("orders", "?page=2", "?page=2"),
    ("orders", "", ""),
    ("orders", "http://10.0.0.4:8002/orders/7", "/api/orders/7"),
    ("orders", "HTTPS://10.0.0.4:8002/orders/7", "/api/orders/7"),
    ("orders", "//10.0.0.4:8002/orders/7", "/api/orders/7"),
    ("orders", "http://10.0.0.4:8002/other", "/other"),
    ("orders", "http://10.0.0.4:8002", "/"),
    ("orders", "http://10.0.0.4:80021/orders/7", "http://10.0.0.4:80021/orders/7"),
    ("orders", "https://shop.test:8000/orders/7", "https://shop.test:8000/api/orders/7"),
    ("orders", "http://SHOP.test:8000/orders?x=1", "http://SHOP.test:8000/api/orders?x=1"),
    ("orders", "//shop.test:8000/orders/7", "//shop.test:8000/api/orders/7"),
    ("orders", "https://evil.test/orders/7", "https://evil.test/orders/7"),
    ("orders", "//evil.test/orders/7", "//evil.test/orders/7"),
    ("orders", "https://shop.test:8000@evil.test/orders/7", "https://shop.test:8000@evil.test/orders/7"),
    ("orders", "mailto:a@b.test", "mailto:a@b.test"),
    ("orders", "/api/orders/7", "/api/orders/7"),
    ("orders", "https://shop.test:8000/api/orders/7", "https://shop.test:8000/api/orders/7"),
    ("users", "/auth/login", "/auth/login"),
    ("auth", "/users/7", "/api/users/7"),
    ("shop", "/products/7", "/shop/7"),
    ("shop", "/shop/7", "/shop/7"),
    ("whole", "/x/7", "/whole/x/7"),
    ("whole", "/", "/whole/"),
    ("whole", "?page=2", "?page=2"),
    ("whole", "//evil.test/x", "//evil.test/x"),
    ("whole", "http://10.0.0.4:8002", "/whole/"),
    ("whole", "http://10.0.0.4:8002?a=b", "/whole/?a=b"),
    ("whole", "/whole/x", "/whole/x"),
    ("same", "/same/7", "/same/7"),
    ("all", "/site/x", "/x"),
    ("all", "/site", "/"),
    ("all", "/site?a=b", "/?a=b"),
    ("all", "/accounts/login/?next=/x", "/login?next=/x"),
    ("login", "/accounts/login/", "/login"),
    ("login", "/accounts/login/x", "/accounts/login/x"),
    ("login", "/site/home", "/home"),
    ("hosted", "/h2/x", "/h2/x"),
]


@pytest.mark.parametrize(("route", "sent", "public"), PLACES)
def test_a_location_is_named_as_clients_reach_it(route: str, sent: str, public: str) -> None:
    for name in (b"location", b"content-location"):
        headers = [(name, sent.encode())]
        rewriter(route).rewrite(headers)
        assert headers == [(name, public.encode())]


@pytest.mark.parametrize(("route", "sent", "public"), PLACES)
def test_what_is_public_once_stays_as_it_is(route: str, sent: str, public: str) -> None:
    """A second gateway of the same routes, or a service that knows its prefix, changes nothing more."""
    if BY_NAME[route].forwarded_prefix:
        assert rewriter(route).public(public.encode()) == public.encode()


@pytest.mark.parametrize(
    ("sent", "public"),
    [
        ("0;url=/orders/7", "0;url=/api/orders/7"),
        ("5; URL='http://10.0.0.4:8002/orders'", "5; URL='/api/orders'"),
        ('1.5, url = "/orders/7" ', '1.5, url = "/api/orders/7" '),
        ("3;/orders/7", "3;/api/orders/7"),
        ("5", "5"),
        ("5; url=https://evil.test/orders", "5; url=https://evil.test/orders"),
        ("", ""),
        ("soon", "soon"),
    ],
)
def test_refresh_names_a_public_place(sent: str, public: str) -> None:
    headers = [(b"refresh", sent.encode())]
    rewriter("orders").rewrite(headers)
    assert headers == [(b"refresh", public.encode())]


@pytest.mark.parametrize(
    ("route", "sent", "public"),
    [
        ("orders", "a=1; Path=/orders; HttpOnly", "a=1; Path=/api/orders; HttpOnly"),
        ("orders", "a=1; path=/orders/x", "a=1; Path=/api/orders/x"),
        ("orders", "a=1; Path=/", "a=1; Path=/"),
        ("orders", "a=1; Path=/other", "a=1; Path=/other"),
        ("orders", "a=1; Path=/api/orders", "a=1; Path=/api/orders"),
        ("orders", "a=1;Path=orders;Secure", "a=1;Path=orders;Secure"),
        ("orders", "a=1", "a=1"),
        ("orders", "a=/orders; Secure", "a=/orders; Secure"),
        ("whole", "a=1; Path=/; Secure", "a=1; Path=/whole; Secure"),
        ("whole", "a=1; Path=/x", "a=1; Path=/whole/x"),
        ("all", "a=1; Path=/site", "a=1; Path=/"),
        ("orders", "a=1; Domain=10.0.0.4; Secure", "a=1; Secure"),
        ("orders", "a=1; domain=.10.0.0.4", "a=1"),
        ("orders", "a=1; Domain=shop.test", "a=1; Domain=shop.test"),
        ("orders", "a=1; Domain=test; Path=/orders", "a=1; Domain=test; Path=/api/orders"),
        ("whole", "__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"),
        (
            "orders",
            "a=1; Expires=Sun, 06 Nov 2026 08:49:37 GMT",
            "a=1; Expires=Sun, 06 Nov 2026 08:49:37 GMT",
        ),
    ],
)
def test_a_cookie_is_kept_for_the_public_path_and_no_inner_domain(route: str, sent: str, public: str) -> None:
    headers = [(b"set-cookie", sent.encode())]
    rewriter(route).rewrite(headers)
    assert headers == [(b"set-cookie", public.encode())]


@pytest.mark.parametrize(
    ("route", "prefix"),
    [("orders", b"/api"), ("whole", b"/whole"), ("auth", b""), ("shop", b""), ("same", b""), ("all", b"")],
)
def test_the_prefix_is_told_where_the_public_path_is_a_prefix_and_the_services_path(
    route: str, prefix: bytes
) -> None:
    compiled: CompiledRoute = BY_NAME[route]
    assert compiled.forwarded_prefix == prefix
    assert compiled.prefix_field == (b"x-forwarded-prefix: %b\r\n" % prefix if prefix else b"")


def test_absolute_links_from_the_forwarded_host_are_public_on_the_wire(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("orders", "/api/orders", service_path="/orders"), row("same", "/same"))
    upstream.answers(
        "/orders",
        answer(
            201, b"{}", "Location: https://gateway.test/orders/7", "Refresh: 1; url=/orders/8",
            'Link: <https://gateway.test/orders?page=2>; rel="next", </orders?page=1>; rel="first"',
            "Set-Cookie: a=1; Path=/orders; Domain=127.0.0.1", "Vary: Accept",
        ),
    )  # fmt: skip
    found = gateway.get("/api/orders", X_Forwarded_Prefix="/evil").headers

    assert found["location"] == "https://gateway.test/api/orders/7"
    assert found["refresh"] == "1; url=/api/orders/8"
    assert found["link"] == (
        '<https://gateway.test/api/orders?page=2>; rel="next", </api/orders?page=1>; rel="first"'
    )
    assert (found["set-cookie"], found["vary"]) == ("a=1; Path=/api/orders", "Accept")
    assert upstream.seen[-1].header("x-forwarded-prefix") == "/api"
    assert gateway.get("/same/x", X_Forwarded_Prefix="/evil").status == 200
    assert upstream.seen[-1].header("x-forwarded-prefix") is None
