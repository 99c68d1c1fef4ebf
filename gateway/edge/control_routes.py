"""The paths of pages: the admin, its files and the documents, and the registry's console."""

from dataclasses import dataclass

from gateway.edge.routes.routing import CompiledRoute
from gateway.edge.routes.snapshot import METHODS, Route

CONTROL_SERVICE = "gateway-control"
CONSOLE_SERVICE = "registry-console"
MAX_BODY_BYTES = 1024 * 1024
TIMEOUT_S = 60


@dataclass(frozen=True)
class ControlRoute:
    """``is_private``: only the networks of GATEWAY_ADMIN_NETWORKS may use it."""

    compiled: CompiledRoute
    is_private: bool
    service: str


def _route(name: str, path: str, *, is_private: bool, service: str = CONTROL_SERVICE) -> ControlRoute:
    route = Route(
        name=name,
        prefix=path,
        service=service,
        builtin=None,
        service_path=path,
        methods=METHODS,
        access="public",
        roles=(),
        timeout_s=TIMEOUT_S,
        max_body_bytes=MAX_BODY_BYTES,
        rate_limit=0,
        rate_window_s=60,
        priority=0,
    )
    return ControlRoute(CompiledRoute(route), is_private, service)


ADMIN = _route("admin", "/admin", is_private=True)
STATIC = _route("static", "/static", is_private=False)
DOCS = _route("docs", "/docs", is_private=False)
OPENAPI = _route("openapi", "/openapi.json", is_private=False)
CONSOLE = _route("console", "/console", is_private=True, service=CONSOLE_SERVICE)
CONSOLE_FILES = _route("console-files", "/static/console", is_private=False, service=CONSOLE_SERVICE)
BY_SEGMENT = {
    b"admin": ADMIN, b"console": CONSOLE, b"static": STATIC, b"docs": DOCS, b"openapi.json": OPENAPI
}  # fmt: skip


def control_route(path: bytes) -> ControlRoute | None:
    if path.startswith(b"/static/console/"):
        return CONSOLE_FILES
    return BY_SEGMENT.get(path.split(b"/", 2)[1])
