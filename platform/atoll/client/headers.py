"""The headers of a call between services (docs/http.md)."""

from collections.abc import Mapping

from atoll import conf, context, tracing
from atoll.client.options import Token
from atoll.client.own_token import own_token
from atoll.discovery.instances import Instance
from atoll.ids import uuid7


def for_call(
    offered: Mapping[str, str] | None, *, token: Token, idempotency_key: str | None, has_body: bool
) -> dict[str, str]:
    """Headers in ``offered`` replace ours, except for the ids of the running work.

    ``token`` None sends this service's own token, if it has one; False sends none. Raises Unavailable when
    users is asked for the token and cannot give one.
    """
    headers = {"Accept": "application/json", "User-Agent": "atoll"}
    if has_body:
        headers["Content-Type"] = "application/json"
    headers |= dict(offered or {})
    headers["X-Correlation-ID"] = context.correlation_id() or context.new_correlation_id()
    headers["X-Request-ID"] = str(uuid7())
    headers["X-Service-Name"] = conf.service_name()
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    if token is not False and (sent := token or own_token()):
        headers["Authorization"] = f"Bearer {sent}"
    return headers


def for_attempt(instance: Instance, given_s: float) -> dict[str, str]:
    """The headers that differ between the attempts of a call. ``given_s``: how long this one may take."""
    headers = {"X-Deadline-Ms": str(int(given_s * 1000))}
    if instance.is_named:
        headers["Host"] = instance.authority
    if trace := tracing.current_header():
        headers["traceparent"] = trace
    return headers
