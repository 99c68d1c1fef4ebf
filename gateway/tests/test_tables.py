"""The published table: its validation, the choice of a route, and its replacement."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes import snapshot
from gateway.edge.routes.routing import Table
from gateway.edge.routes.tables import Tables
from gateway.tests.harness import Gateway, row, table, until
from gateway.tests.upstream import Upstream

BAD_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"prefix": "api"}, "must look like /api/things"),
    ({"prefix": "/", "service_path": "/"}, "must look like /things"),
    ({"prefix": "/a/"}, "must look like /api/things"),
    ({"prefix": "/a//b"}, "must look like /api/things"),
    ({"prefix": "/a/../b"}, "must look like /api/things"),
    ({"prefix": "/a%2fb"}, "must look like /api/things"),
    ({"prefix": "/admin/x"}, "belongs to the gateway itself"),
    ({"prefix": "/health"}, "belongs to the gateway itself"),
    ({"service": None}, "either a service or a built-in"),
    ({"builtin": "dashboard"}, "either a service or a built-in"),
    ({"service": None, "builtin": "shell"}, "no built-in handler 'shell'"),
    ({"service": "http://evil"}, "is no service name"),
    ({"service_path": "things"}, "must look like /things"),
    ({"methods": []}, "methods must be some of"),
    ({"methods": ["TRACE"]}, "methods must be some of"),
    ({"access": "maybe"}, "is no access rule"),
    ({"timeout_s": 0}, "time-out must be above 0"),
    ({"timeout_s": 601}, "time-out must be above 0"),
    ({"max_body_bytes": -1}, "largest body"),
    ({"rate_limit": -1}, "rate limit must not be negative"),
    ({"rate_window_s": 0}, "its window be 1 to 86400"),
    ({"name": "Bad Name"}, "lower-case letters"),
    ({"match": "regex"}, "match must be one of prefix, exact"),
    ({"hosts": ["Shop.test"]}, "is no host"),
    ({"hosts": ["shop.test:80"]}, "is no host"),
    ({"hosts": ["*"]}, "is no host"),
    ({"hosts": ["a.*.test"]}, "is no host"),
    ({"hosts": ["-a.test"]}, "is no host"),
    ({"hosts": ["a" * 64 + ".test"]}, "is no host"),
    ({"hosts": [".".join(["a" * 60] * 5)]}, "is no host"),
    ({"hosts": ["a.test", "a.test"]}, "name each host once"),
    ({"hosts": [7]}, "hosts has a value of the wrong type"),
    ({"header_matches": {"X Y": "1"}}, "is no header name"),
    ({"header_matches": {"x-version": ""}}, "1 to 256 plain characters"),
    ({"header_matches": {"x-version": "a\r\nb"}}, "1 to 256 plain characters"),
    ({"header_matches": {"x-user-id": "7"}}, "decides about this field itself"),
    ({"header_matches": {"authorization": "Basic x"}}, "decides about this field itself"),
    ({"header_matches": {"host": "a.test"}}, "decides about this field itself"),
    ({"header_matches": {f"x-{n}": "1" for n in range(17)}}, "16 header fields at most"),
    ({"limit_key": "moon"}, "must count by one of"),
    ({"bad_token": 500}, "answered with 403 or with 401"),
    ({"buffer_bytes": 1024**2 + 1}, "between 0 and 1048576 bytes"),
    ({"buffer_bytes": True}, "buffer_bytes has a value of the wrong type"),
    ({"timeout_s": "5"}, "timeout_s has a value of the wrong type"),
    ({"websocket": "yes"}, "websocket has a value of the wrong type"),
    ({"cors": {"origins": ["*"], "credentials": True}}, "name the origins"),
    ({"cors": {"origins": [1]}}, "origins has a value of the wrong type"),
]

NOT_A_ROUTE: list[dict[str, Any]] = [
    {"colour": "red"},
    {"hosts": 7},
    {"header_matches": ["x-a"]},
    {"cors": 5},
    {"cors": {"colour": "red"}},
    {"methods": None},
]


@pytest.mark.parametrize(("fields", "problem"), BAD_ROWS)
def test_a_bad_route_is_refused_with_a_clear_text(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match="Route") as refused:
        snapshot.read(table(row("thing", "/thing") | fields))
    assert problem in str(refused.value)


@pytest.mark.parametrize("fields", NOT_A_ROUTE)
def test_a_table_of_another_form_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match="incomplete"):
        snapshot.read(table(row("thing", "/thing") | fields))


def test_a_table_from_before_hosts_and_exact_paths_means_what_it_meant() -> None:
    [route] = snapshot.read(table(row("thing", "/thing"))).routes
    assert (route.hosts, route.match, route.header_matches, route.cors) == ((), "prefix", (), None)
    assert (route.limit_key, route.bad_token, route.buffer_bytes) == ("user", 403, 1_048_576)
    assert (route.compress, route.websocket) == (False, False)


def test_two_routes_that_could_both_win_are_refused() -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match="both take POST /a with priority 0"):
        snapshot.read(table(row("one", "/a", methods=["GET", "POST"]), row("two", "/a", methods=["POST"])))
    snapshot.read(table(row("one", "/a", methods=["GET"]), row("two", "/a", methods=["POST"])))
    snapshot.read(table(row("one", "/a"), row("two", "/a", priority=1)))


def test_credentials_for_every_origin_are_refused() -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match="name the origins"):
        snapshot.read(table(cors={"origins": ["*"], "credentials": True}))
    with pytest.raises(snapshot.InvalidConfiguration, match="is no origin"):
        snapshot.read(table(cors={"origins": ["https://a.test/path"]}))


@pytest.mark.parametrize(
    ("method", "path", "winner"),
    [
        ("GET", b"/a", "a"),
        ("GET", b"/a/", "a"),
        ("GET", b"/a/b", "ab"),
        ("GET", b"/a/b/c", "ab"),
        ("GET", b"/a/bc", "a"),
        ("POST", b"/a/b", "ab-post"),
        ("GET", b"/first/deep/x", "first"),
        ("PUT", b"/only", 405),
        ("GET", b"/ab", 404),
        ("GET", b"/", 404),
    ],
)
def test_priority_then_the_longest_prefix_then_the_method_decides(
    method: str, path: bytes, winner: str | int
) -> None:
    routes = Table(
        snapshot.read(
            table(
                row("a", "/a"),
                row("ab", "/a/b", methods=["GET"]),
                row("ab-post", "/a/b", methods=["POST"]),
                row("deep", "/first/deep"),
                row("first", "/first", priority=5),
                row("only", "/only", methods=["GET"]),
            )
        )
    )
    if isinstance(winner, int):
        with pytest.raises(ErrorResponse) as refused:
            routes.match(method, path)
        assert refused.value.status == winner
    else:
        assert routes.match(method, path).name == winner


def test_a_new_table_takes_over_and_requests_under_way_finish_on_the_old_one(
    gateway: Gateway, upstream: Upstream
) -> None:
    stop, statuses = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            statuses.append(gateway.get("/open/x").status)

    asker = threading.Thread(target=ask)
    asker.start()
    for version in range(2, 52):
        gateway.publish(table(row("open", "/open", service_path=f"/v{version}"), version=version))
    stop.set()
    asker.join()

    assert set(statuses) <= {200}
    assert gateway.get("/open/x").status == 200
    assert upstream.seen[-1].target == "/v51/x"
    assert gateway.get("/mine/x").status == 404


def test_a_table_that_does_not_hold_changes_nothing(gateway: Gateway) -> None:
    gateway.publish(table(row("open", "/admin"), version=9))
    gateway.publish({"version": 10})

    assert gateway.get("/open/x").status == 200
    assert gateway.components.tables.version == 1


def test_the_last_good_table_is_there_after_a_restart_without_a_database(tmp_path: Path) -> None:
    kept = tmp_path / "gateway" / "snapshot.json"
    Tables(kept, lambda table: None).publish(table(row("open", "/open"), version=7))
    seen: list[int] = []
    restarted = Tables(kept, lambda table: seen.append(table.version))
    restarted.start()

    assert (restarted.version, seen) == (7, [7])
    kept.write_text("{")
    broken = Tables(kept, lambda table: None)
    broken.start()
    assert broken.current is None


def test_before_any_table_was_seen_everything_is_503(gateway: Gateway) -> None:
    def forget() -> None:
        gateway.components.tables.current = None

    gateway.run(forget)
    assert gateway.get("/open/x").json()["code"] == "no_routes"
    assert gateway.get("/health/ready").status == 503
    assert gateway.get("/health/live").status == 200


SHOP = "https://shop.test"
CORS = {"origins": [SHOP], "credentials": True}


def test_a_preflight_is_answered_here_for_origins_that_are_listed(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("mine", "/mine", access="signed_in"), cors=CORS)
    ask = {"Origin": SHOP, "Access-Control-Request-Method": "PUT"}
    answer = gateway.request("OPTIONS", "/mine/x", headers=ask)

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    stranger = gateway.request("OPTIONS", "/mine/x", headers=ask | {"Origin": "https://evil.test"})
    assert "access-control-allow-origin" not in stranger.headers
    assert upstream.of("/mine") == []


def test_answers_and_refusals_carry_the_origin_rules(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(row("open", "/open"), row("mine", "/mine", access="signed_in"), cors=CORS)

    for path, status in (("/open/x", 200), ("/mine/x", 401), ("/nowhere", 404)):
        answer = gateway.get(path, Origin=SHOP)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, SHOP)
        assert answer.headers["vary"] == "Origin"
    stranger = gateway.get("/open/x")
    assert "access-control-allow-origin" not in stranger.headers
    assert stranger.headers["vary"] == "Origin"


def test_health_says_what_is_missing(gateway: Gateway) -> None:
    until(lambda: gateway.components.limiter.shares)
    answer = gateway.get("/health")
    assert answer.status == 200
    body = answer.json()
    assert set(body) == {"status", "service", "instance", "timestamp", "checks"}
    assert (body["status"], body["service"]) == ("ok", "api-gateway")

    gateway.knows("product-service")
    body = gateway.get("/health/ready").json()
    assert body["status"] == "degraded"
    assert body["checks"]["services"]["problem"] == "no instance of product-service"
    assert gateway.get("/healthy").status == 404
    assert gateway.request("POST", "/health").status == 405


def test_metrics_count_requests_for_those_who_may_see_them(
    make_gateway: Callable[..., Gateway], gateway: Gateway
) -> None:
    gateway.get("/open/x")
    gateway.get("/mine/x")
    text = gateway.get("/metrics").body.decode()

    assert 'gateway_requests_total{route="open",status="200"} 1.0' in text
    assert 'gateway_requests_total{route="mine",status="401"} 1.0' in text
    assert 'gateway_breaker{service="product-service"} 0.0' in text
    assert make_gateway(row("open", "/open"), metrics_networks=()).get("/metrics").status == 404


def test_each_request_is_logged_with_what_became_of_it(gateway: Gateway) -> None:
    gateway.get("/open/x", X_Correlation_ID="logged-request-1")
    gateway.get("/mine/x", X_Correlation_ID="logged-request-2")
    gateway.get("/health")
    gateway.run(gateway.components.request_log.flush)
    entries = {entry.correlation_id: entry for entry in gateway.entries}

    first, second = entries["logged-request-1"], entries["logged-request-2"]
    assert (first.method, first.path, first.route, first.status) == ("GET", "/open/x", "open", 200)
    assert (first.client, first.instance, first.bytes_out > 0) == ("127.0.0.1", "product-service-0", True)
    assert (second.status, second.code) == (401, "access_token_required")
    assert len(gateway.entries) == 2


def test_a_crash_in_the_gateway_is_a_500_in_shape(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("gateway.edge.forward._fields", crash)
    answer = gateway.get("/open/x")
    assert (answer.status, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(answer.json())
