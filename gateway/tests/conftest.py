from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.ids import uuid7
from gateway.tests.harness import Gateway, row, table
from gateway.tests.upstream import Upstream


@pytest.fixture
def make_upstream() -> Iterator[Callable[[], Upstream]]:
    made: list[Upstream] = []

    def make() -> Upstream:
        made.append(Upstream())
        return made[-1]

    yield make
    for upstream in made:
        upstream.close()


@pytest.fixture
def upstream(make_upstream: Callable[[], Upstream]) -> Upstream:
    return make_upstream()


@pytest.fixture
def make_gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Callable[..., Gateway]]:
    """``make_gateway(*rows, cors=None, **config)``: all services are ``upstream`` at first."""
    made: list[Gateway] = []

    def make(*rows: dict[str, Any], cors: dict[str, Any] | None = None, **config: Any) -> Gateway:
        home = config.pop("home", tmp_path / str(uuid7()))
        gateway = Gateway(home, table(*rows, cors=cors), **config)
        made.append(gateway)
        for service in ("product-service", "user-service", "order-service"):
            gateway.knows(service, upstream)
        return gateway

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    """``/open`` for anyone, ``/mine`` signed in, ``/staff`` operators, ``/shop`` written by catalogue."""
    return make_gateway(
        row("open", "/open"),
        row("mine", "/mine", access="signed_in", service_path="/orders"),
        row("staff", "/staff", access="staff", roles=["operator"]),
        row(
            "shop",
            "/shop",
            access="public_read_staff_write",
            roles=["catalogue"],
            service_path="/products",
        ),
        row("small", "/small", max_body_bytes=100),
        row("brief", "/brief", timeout_s=0.5),
        row(
            "board",
            "/api/user",
            service=None,
            builtin="dashboard",
            access="signed_in",
            methods=["GET", "HEAD"],
        ),
    )
