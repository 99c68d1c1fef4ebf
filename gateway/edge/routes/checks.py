"""The checks of one route and of cross-origin rules. Each raises InvalidConfiguration with the remedy."""

import re

from gateway.edge.headers import passes
from gateway.edge.routes.route import (
    ACCESS,
    BAD_TOKEN_STATUSES,
    BUILTINS,
    FOR_ROLES,
    INTERNAL,
    LIMIT_KEYS,
    MATCHES,
    METHODS,
    RESERVED,
    ROLES,
    Cors,
    InvalidConfiguration,
    Route,
    wrong_type,
)

PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+")
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(\*\.)?({LABEL}\.)*{LABEL}")
HEADER_NAME = re.compile(r"[a-z0-9-]{1,64}")
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")
SECRET_HEADERS = frozenset(("authorization", "cookie"))
SERVICE = re.compile(r"[a-z][a-z0-9-]{0,62}")
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?|\*")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")

MAX_TIMEOUT_S = 600
MAX_BODY_BYTES = 10 * 1024**3
MAX_BUFFER_BYTES = 1024**2
MAX_HOSTS = 100
MAX_HOST_LENGTH = 253
MAX_HEADER_MATCHES = 16
# Served by the gateway; tables from before may have routes there.
DOCUMENTS = ("/docs", "/openapi.json")


def check_route(route: Route) -> None:
    problem = _type_problem(route) or _problem(route) or _match_problem(route) or _body_problem(route)
    if problem:
        raise InvalidConfiguration(f"Route '{route.name}': {problem}")
    if route.cors is not None:
        try:
            check_cors(route.cors)
        except InvalidConfiguration as error:
            raise InvalidConfiguration(f"Route '{route.name}': {error}") from None


def _type_problem(route: Route) -> str | None:
    wrong = wrong_type(route) or next(filter(None, map(wrong_type, route.header_matches)), None)
    return f"its {wrong} has a value of the wrong type." if wrong else None


def _problem(route: Route) -> str | None:
    if not NAME.fullmatch(route.name):
        return "its name must be lower-case letters, digits and hyphens."
    if route.prefix != "/" and not _is_path(route.prefix, route.match):
        return f"the path {route.prefix!r} must look like /api/things, without a slash at its end."
    if any(route.prefix == taken or route.prefix.startswith(f"{taken}/") for taken in RESERVED):
        return f"the path {route.prefix!r} belongs to the gateway itself."
    if bool(route.service) == bool(route.builtin):
        return "choose either a service or a built-in handler."
    if route.service and not SERVICE.fullmatch(route.service):
        return f"{route.service!r} is no service name, such as order-service."
    if route.builtin and route.builtin not in BUILTINS:
        return f"there is no built-in handler {route.builtin!r}."
    if route.service_path and not _is_path(route.service_path, route.match):
        return f"the service path {route.service_path!r} must look like /things or be empty."
    if not route.methods or not set(route.methods) <= set(METHODS):
        return f"its methods must be some of {', '.join(METHODS)}."
    if route.access not in ACCESS:
        return f"{route.access!r} is no access rule."
    if not set(route.roles) <= set(ROLES):
        return f"its roles must be some of {', '.join(ROLES)}; an administrator always may."
    if route.access in FOR_ROLES and not route.roles:
        return "choose at least one role that may use it."
    if route.roles and route.access not in FOR_ROLES:
        return "it asks for no role: take its roles away, or choose a rule that asks for them."
    if not 0 < route.timeout_s <= MAX_TIMEOUT_S:
        return f"the time-out must be above 0 and at most {MAX_TIMEOUT_S} s."
    if not 0 <= route.max_body_bytes <= MAX_BODY_BYTES:
        return f"the largest body must be between 0 and {MAX_BODY_BYTES} bytes."
    if route.rate_limit < 0 or not 1 <= route.rate_window_s <= 86_400:
        return "the rate limit must not be negative and its window be 1 to 86400 s."
    if route.limit_key not in LIMIT_KEYS:
        return f"its limit must count by one of {', '.join(LIMIT_KEYS)}."
    if route.bad_token not in BAD_TOKEN_STATUSES:
        return "a bad token is answered with 403 or with 401."
    return None


def _is_path(path: str, match: str) -> bool:
    """An exact path may end with a slash."""
    return PREFIX.fullmatch(path.removesuffix("/") if match == "exact" else path) is not None


def _match_problem(route: Route) -> str | None:
    if route.match not in MATCHES:
        return f"its match must be one of {', '.join(MATCHES)}."
    if len(set(route.hosts)) != len(route.hosts) or len(route.hosts) > MAX_HOSTS:
        return f"name each host once, and at most {MAX_HOSTS}."
    for host in route.hosts:
        if len(host) > MAX_HOST_LENGTH or not HOST.fullmatch(host):
            return f"{host!r} is no host, such as shop.example.com or *.example.com, in lower case."
    if len(route.header_matches) > MAX_HEADER_MATCHES:
        return f"it may ask for {MAX_HEADER_MATCHES} header fields at most."
    for match in route.header_matches:
        if not HEADER_NAME.fullmatch(match.name):
            return f"{match.name!r} is no header name in lower case, such as x-version."
        if match.name in SECRET_HEADERS or not passes(match.name.encode()):
            return f"it cannot be chosen by {match.name}: the gateway decides about this field itself."
        if not HEADER_VALUE.fullmatch(match.value):
            return f"the value of {match.name} must be 1 to 256 plain characters."
    if len({match.name for match in route.header_matches}) != len(route.header_matches):
        return "name each header field once."
    return None


def _body_problem(route: Route) -> str | None:
    if not 0 <= route.buffer_bytes <= MAX_BUFFER_BYTES:
        return f"between 0 and {MAX_BUFFER_BYTES} bytes of a body can be read before it is forwarded."
    return None


def check_not_internal(route: Route) -> None:
    """Raises InvalidConfiguration for a service path that is internal, and a prefix of the API's documents.

    `read` accepts such a route of a published table. The gateway answers 404 there, or with the document.
    """
    if route.prefix in DOCUMENTS or route.prefix.startswith(tuple(f"{one}/" for one in DOCUMENTS)):
        raise InvalidConfiguration(
            f"Route '{route.name}': the path {route.prefix!r} belongs to the gateway itself."
        )
    first = route.service_path.strip("/").partition("/")[0]
    if first in INTERNAL:
        raise InvalidConfiguration(
            f"Route '{route.name}': /{first} of a service is never forwarded. It is for operators and for "
            "other services."
        )


def check_cors(cors: Cors) -> None:
    wrong = wrong_type(cors)
    if wrong:
        raise InvalidConfiguration(f"CORS: {wrong} has a value of the wrong type.")
    for origin in cors.origins:
        if not ORIGIN.fullmatch(origin):
            raise InvalidConfiguration(f"{origin!r} is no origin, such as https://shop.example.com.")
    if "*" in cors.origins and cors.credentials:
        raise InvalidConfiguration("Credentials cannot be allowed to every origin: name the origins.")
    if not set(cors.methods) <= set(METHODS):
        raise InvalidConfiguration(f"CORS methods must be some of {', '.join(METHODS)}.")
    for name in (*cors.headers, *cors.exposed):
        if not TOKEN.fullmatch(name):
            raise InvalidConfiguration(f"{name!r} is no header name, such as X-Version.")
    if cors.max_age_s < 0:
        raise InvalidConfiguration("A preflight cannot be kept for less than 0 s.")
