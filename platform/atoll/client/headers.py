"""The headers every call between services carries (docs/http.md)."""

from collections.abc import Mapping
from typing import Literal

from django.conf import settings

from atoll import context
from atoll.client.own_token import own_token
from atoll.ids import uuid7

Token = str | Literal[False] | None


def for_call(
    offered: Mapping[str, str] | None, *, token: Token, idempotency_key: str | None, has_body: bool
) -> dict[str, str]:
    """``offered`` wins over ours, except for the ids of the work this call belongs to.

    ``token`` None means this service's own, False means none at all. May ask users for a
    token, so it raises Unavailable.
    """
    headers = {"Accept": "application/json", "User-Agent": "atoll"}
    if has_body:
        headers["Content-Type"] = "application/json"
    headers |= dict(offered or {})
    headers["X-Correlation-ID"] = context.correlation_id() or context.new_correlation_id()
    headers["X-Request-ID"] = str(uuid7())
    headers["X-Service-Name"] = settings.ATOLL_SERVICE
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    if token is not False:
        headers["Authorization"] = f"Bearer {token or own_token()}"
    return headers
