"""Addresses over HTTP: of the registry, the gateway and services, and those that pages are served under."""

from atoll.conf.table import project
from atoll.conf.variables import variable


def registry_url() -> str:
    return (variable("REGISTRY_URL") or f"http://127.0.0.1:{project('registry').port}").rstrip("/")


def gateway_url() -> str:
    return (variable("GATEWAY_URL") or f"http://127.0.0.1:{project('gateway').port}").rstrip("/")


def service_url(service: str) -> str | None:
    """A fixed address in place of discovery: USER_SERVICE_URL for ``user-service``."""
    return variable(f"{service.upper().replace('-', '_')}_URL")


def allowed_hosts() -> list[str]:
    value = variable("ALLOWED_HOSTS")
    if value:
        return [host.strip() for host in value.split(",") if host.strip()]
    return ["localhost", "127.0.0.1", "[::1]"]


def trusted_origins() -> list[str]:
    """Origins that may post to the admins under another host name, from CSRF_TRUSTED_ORIGINS."""
    value = variable("CSRF_TRUSTED_ORIGINS")
    return [origin.strip() for origin in value.split(",") if origin.strip()] if value else []
