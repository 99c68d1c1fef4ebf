"""ASGI entry point of the gateway: Django serves the admin, the edge all other requests.

The import starts nothing, so that a server may fork after it. The edge starts with the server's
lifespan, or with the first request of a server without one.
"""

import asyncio
import os
import sys
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django_application = get_asgi_application()

from atoll import addresses  # noqa: E402
from atoll.api.asgi import bounded  # noqa: E402
from atoll.asgi import Message, Receive, Send  # noqa: E402
from gateway import recording  # noqa: E402  # models need Django to be set up
from gateway.edge.app import Edge  # noqa: E402
from gateway.edge.composition import Components  # noqa: E402
from gateway.edge.config import EdgeConfig  # noqa: E402
from gateway.edge.request_log import RequestLog  # noqa: E402
from gateway.publications import Publications  # noqa: E402

# A busy thread (request log, admin) may hold the interpreter so long when the event loop has released
# it for a socket. Python's 5 ms would be most of a request.
SWITCH_INTERVAL_S = 0.001
ADMIN = (b"/admin/", b"/static/")
ADMIN_ROOT = b"/admin"
bounded_django = bounded(django_application)  # type: ignore[arg-type]


class Application:
    """One for each process. Without ``config`` the edge reads it from the environment when it starts."""

    def __init__(self, config: EdgeConfig | None = None) -> None:
        self._config = config
        self._edge: Edge | None = None
        self._components: Components | None = None
        self._publications: Publications | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: bytes = scope["raw_path"]
            if path.startswith(ADMIN) or path == ADMIN_ROOT:
                await bounded_django(self._for_django(scope), receive, send)
                return
            edge = self._edge or self.start()
            await edge(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def start(self) -> Edge:
        """Start the edge's tasks and threads. Needs a running event loop."""
        config = self._config or EdgeConfig.from_environment()
        components = Components(config, RequestLog(recording.store))
        components.start()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        loop = asyncio.get_running_loop()

        def deliver(document: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(components.tables.publish, document)

        self._publications = Publications(deliver)
        self._publications.start()
        self._components = components
        self._edge = Edge(components)
        return self._edge

    async def stop(self) -> None:
        if self._publications is not None:
            await asyncio.to_thread(self._publications.stop)
        if self._components is not None:
            await self._components.stop()
        self._edge = self._components = self._publications = None

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _for_django(self, scope: Message) -> Message:
        """Drop X-Forwarded fields unless TRUSTED_PROXIES has the peer."""
        peer = addresses.read((scope.get("client") or ("",))[0])
        config = self._config or (self._components.config if self._components else None)
        if config is not None and addresses.within(peer, config.trusted_proxies):
            return scope
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if not name.startswith(b"x-forwarded-") and name != b"forwarded"
        ]
        return {**scope, "headers": kept}


application = Application()
