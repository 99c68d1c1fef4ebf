"""``gateway.asgi``: Django answers the admin, the edge the rest; both start and stop together."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from atoll import conf
from gateway.asgi import Application
from gateway.edge.config import EdgeConfig
from gateway.edge.exchange import Message
from gateway.tests.harness import NOWHERE
from gateway.usecases.load_routes import load_routes


@pytest.fixture
def config(tmp_path: Path) -> EdgeConfig:
    return EdgeConfig(
        home=tmp_path,
        redis_url=conf.redis_url(),
        registry_url=NOWHERE,
        registry_credential=b"Basic dGVzdDp0ZXN0",
        trusted_proxies=(),
        metrics_networks=(),
    )


async def ask(application: Application, path: str, *fields: tuple[bytes, bytes]) -> tuple[int, bytes]:
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), *fields], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    sent: list[Message] = []

    async def receive() -> Message:
        if any(not message.get("more_body", True) for message in sent):
            return {"type": "http.disconnect"}
        if not received:
            received.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    received: list[bool] = []
    await application(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@contextlib.asynccontextmanager
async def running(application: Application) -> Any:
    """The application inside its lifespan."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    life = asyncio.create_task(application({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
        await life


@pytest.mark.django_db(transaction=True)
def test_the_admin_is_djangos_and_everything_else_the_edges(config: EdgeConfig) -> None:
    load_routes()
    application = Application(config)

    async def scenario() -> None:
        async with running(application):
            while (await ask(application, "/health/ready"))[0] != 200:
                await asyncio.sleep(0.01)
            assert (await ask(application, "/admin/login/"))[0] == 200
            assert (await ask(application, "/api/orders"))[0] == 401
            assert (await ask(application, "/nowhere"))[0] == 404
            status, body = await ask(application, "/api/products")
            assert (status, b"No instance of product-service" in body) == (503, True)

    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.django_db(transaction=True)
def test_after_its_life_no_thread_and_no_task_is_left(config: EdgeConfig) -> None:
    import threading

    application = Application(config)

    async def scenario() -> None:
        before = set(asyncio.all_tasks())
        async with running(application):
            await ask(application, "/health/live")
        await asyncio.sleep(0)
        assert set(asyncio.all_tasks()) == before

    asyncio.run(asyncio.wait_for(scenario(), 20))
    assert {"publications", "request-log"} & {thread.name for thread in threading.enumerate()} == set()


@pytest.mark.parametrize("path", ["/admin/login/", "/static/x.css"])
def test_a_body_without_end_never_reaches_the_admin(config: EdgeConfig, path: str) -> None:
    read = 0
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal read
        read += 65536
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    asyncio.run(Application(config)(scope, receive, send))
    assert sent[0]["status"] == 413
    assert read <= 1024 * 1024 + 65536
