"""Addresses over HTTP: of the registry, the gateway and services, and those that pages are served under."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll.conf.table import project, projects
from atoll.conf.variables import environment, own_name, own_variable, variable, web_address

REGISTRY = "registry"
GATEWAY = "gateway"


def has_registry() -> bool:
    """Whether a registry is configured, so that this process registers and asks it."""
    return variable("REGISTRY_URL") is not None or REGISTRY in projects()


def registry_url() -> str:
    """REGISTRY_URL, else the registry's port on this machine. No slash at its end."""
    return (variable("REGISTRY_URL") or f"http://127.0.0.1:{project(REGISTRY).port}").rstrip("/")


def gateway_url() -> str:
    """GATEWAY_URL, else the gateway's port on this machine, over HTTPS where it has a certificate."""
    # A certificate is for a name. GATEWAY_URL is needed where it is not for localhost.
    own = "https://localhost" if gateway_has_tls() else "http://127.0.0.1"
    return (variable("GATEWAY_URL") or f"{own}:{project('gateway').port}").rstrip("/")


def gateway_has_tls() -> bool:
    """Whether TLS_CERTIFICATE names a certificate of the gateway."""
    return variable("TLS_CERTIFICATE", "gateway") is not None


def service_variable(service: str) -> str:
    """The setting that says where a service is: USER_SERVICE_URL for ``user-service``."""
    return f"{service.upper().replace('-', '_')}_URL"


def service_url(service: str) -> str | None:
    """The value of `service_variable`. `atoll.discovery.places` reads it."""
    return variable(service_variable(service))


def admin_url(project_name: str) -> str:
    """Where staff reach a project's admin, with a slash at its end: ORDERS_ADMIN_URL.

    Without it the admin is at the first of `public_urls`, where that is known. Empty when it is not, so that
    pages leave the link out.
    """
    url = web_address(own_name("ADMIN_URL", project_name))
    is_known = own_variable("PUBLIC_URL", project_name) or variable("ADMIN_HOST")
    if not url and (is_known or (environment() == "development" and project_name in projects())):
        url = f"{public_urls(project_name)[0]}/admin/"
    return f"{url.rstrip('/')}/" if url else ""


def console_url() -> str:
    """Where staff reach the console, with a slash at its end: CONSOLE_URL.

    In development it is at the gateway. Empty when it is not known, so that pages leave the link out.
    """
    url = web_address("CONSOLE_URL")
    if not url and environment() == "development" and GATEWAY in projects():
        url = f"{gateway_url()}/console/"
    return f"{url.rstrip('/')}/" if url else ""


def allowed_hosts() -> list[str]:
    """Host names that the web processes answer to, from ALLOWED_HOSTS; those of this machine without it."""
    value = variable("ALLOWED_HOSTS")
    if value:
        return [host.strip() for host in value.split(",") if host.strip()]
    return ["localhost", "127.0.0.1", "[::1]"]


def trusted_origins() -> list[str]:
    """Origins that may post to the admins under another host name, from CSRF_TRUSTED_ORIGINS."""
    value = variable("CSRF_TRUSTED_ORIGINS")
    return [origin.strip() for origin in value.split(",") if origin.strip()] if value else []


def public_urls(project_name: str) -> tuple[str, ...]:
    """The addresses under which browsers open the admin of a project; the first is the main one.

    PROJECT_PUBLIC_URL (``https://orders.admin.shop.example``), several with commas between; else
    ``https://PROJECT.ADMIN_HOST``; else the project's port on this machine. Raises ImproperlyConfigured
    for an address with more than a scheme, a host and a port.
    """
    name = own_name("PUBLIC_URL", project_name)
    value = own_variable("PUBLIC_URL", project_name)
    if value is None:
        if host := variable("ADMIN_HOST"):
            return (f"https://{project_name}.{host}",)
        port = project(project_name).port
        if project_name == "gateway" and gateway_has_tls():
            return f"https://localhost:{port}", f"https://127.0.0.1:{port}"
        return f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    urls = tuple(url.strip().rstrip("/") for url in value.split(",") if url.strip())
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or url != origin(url):
            raise ImproperlyConfigured(f"{name}={value!r} is not https://host or https://host:port.")
    return urls


def origin(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
