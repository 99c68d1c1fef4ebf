"""Idempotency-Key: a request that is sent again is not carried out again.

The claim, the work and the stored answer are one transaction of the service's database. So a crash
leaves all of them or none, and no work is done twice.
Source: draft-ietf-httpapi-idempotency-key-header.
"""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response

from atoll import wire
from atoll.api.errors import JSON
from atoll.api.models import MAX_KEY_CHARS, IdempotencyRecord
from atoll.api.renderers import render
from atoll.errors import Conflict, InvalidInput, Misuse, Unprocessable
from atoll.postgresql import driver

__all__ = ["Idempotency", "IdempotentRequest", "InFlight", "KeyReused", "idempotent", "purge"]

KEPT_FOR = timedelta(hours=24)
RETRY_AFTER_S = 1
SWEPT_PER_ANSWER = 20
PURGE_BATCH = 1000
KEPT_HEADERS = ("Location", "ETag")
REFUSED_FROM = 400
ANONYMOUS = "anonymous"

# Two statements in one round trip. The second one has a newer snapshot than the lock, so it sees the record
# of a request that ended while this one waited for its turn.
CLAIM = """
SELECT set_config('atoll.claimed', pg_try_advisory_xact_lock(%(lock)s)::text, TRUE);
SELECT current_setting('atoll.claimed')::boolean, EXISTS (
    SELECT FROM atoll_api_idempotencyrecord
    WHERE principal = %(principal)s AND method = %(method)s AND route = %(route)s AND key = %(key)s
      AND created_at > %(cutoff)s)
"""

# Rows that another transaction deletes are skipped, so that transactions do not wait for each other.
SWEEP = """
DELETE FROM atoll_api_idempotencyrecord WHERE id IN (
    SELECT id FROM atoll_api_idempotencyrecord WHERE created_at <= %(cutoff)s AND key <> %(key)s
    ORDER BY created_at LIMIT %(at_most)s FOR UPDATE SKIP LOCKED)
"""

# An expired record of the key gets the new answer; the sweep leaves it alone.
KEEP = f"""
WITH swept AS ({SWEEP})
INSERT INTO atoll_api_idempotencyrecord AS record
    (principal, method, route, key, fingerprint, status, headers, body, created_at)
VALUES
    (%(principal)s, %(method)s, %(route)s, %(key)s, %(fingerprint)s, %(status)s, %(headers)s, %(body)s,
     %(now)s)
ON CONFLICT (principal, method, route, key) DO UPDATE SET
    fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
    body = excluded.body, created_at = excluded.created_at
WHERE record.created_at <= %(cutoff)s
"""  # noqa: S608

# RFC 8941 makes the value a quoted string; most clients send it without quotes. A comma means that the
# header came twice.
_KEY = re.compile(r'"(?P<quoted>[!#-+\--~]{1,255})"|(?P<bare>[!#-+\--~]{1,255})', re.ASCII)

Keep = Callable[[Response], Response]


class InFlight(Conflict):
    """Another request with the same key is running."""

    default_code = "request_in_flight"
    retry_after_s = RETRY_AFTER_S


class KeyReused(Unprocessable):
    """The key belongs to a different request."""

    default_code = "idempotency_key_reused"


class _Answered(Exception):
    """Another process finished this request between the first lookup and the claim."""

    def __init__(self, record: IdempotencyRecord) -> None:
        self.record = record


class Idempotency:
    """``request.idempotency`` inside a method marked ``idempotent``."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.key = _read_key(request.headers.get("Idempotency-Key"))
        self._has_answer = False

    @functools.cached_property
    def scope(self) -> dict[str, str]:
        user = self.request.user
        match = self.request.resolver_match
        return {
            "principal": str(user.pk) if user and user.is_authenticated else ANONYMOUS,
            "method": self.request.method or "",
            "route": match.route if match else self.request.path,
            "key": self.key or "",
        }

    @functools.cached_property
    def fingerprint(self) -> str:
        body = json.dumps(self.request.data, sort_keys=True, cls=wire.JSONEncoder)
        text = "\n".join((_path(self.request), self.request.META.get("QUERY_STRING", ""), body))
        # With a key: a body may hold a password, and a plain digest would let others guess it offline.
        return salted_hmac("atoll.api.idempotency", text, algorithm="sha256").hexdigest()

    def stored(self) -> IdempotencyRecord | None:
        """The record of an earlier request with the key. Raises KeyReused when that request was different."""
        if self.key is None:
            return None
        record = IdempotencyRecord.objects.filter(**self.scope, created_at__gt=_cutoff()).first()
        if record is not None and record.fingerprint != self.fingerprint:
            raise KeyReused("This Idempotency-Key was used for a different request. Make a new key.")
        return record

    @contextmanager
    def transaction(self) -> Iterator[Keep]:
        """One database transaction for the work. It yields a function: call it with the answer to store.

        The answer is stored when the transaction commits. An answer of 400 and above is not stored: it
        undoes the work like an exception, and the key can be used again. Raises InFlight (409) at once
        while another request with the key runs, and Misuse when no answer is stored. Without a key it
        is only a transaction.
        """
        with transaction.atomic():
            if self.key is not None:
                self._claim()
            yield self._keep
            if not self._has_answer:
                raise Misuse("Work in idempotency.transaction() must end in keep(response).")

    def _claim(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {**self.scope, "lock": self._lock_number(), "cutoff": _cutoff()})
            driver.to_last_result(cursor)
            is_claimed, is_answered = cursor.fetchone()
        if not is_claimed:
            raise _in_flight()
        if is_answered and (record := self.stored()):
            raise _Answered(record)

    def _keep(self, response: Response) -> Response:
        self._has_answer = True
        if response.status_code >= REFUSED_FROM:
            transaction.set_rollback(True)
        elif self.key is not None:
            self._store(response)
        return response

    def _store(self, response: Response) -> None:
        now = timezone.now()
        answer: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "status": response.status_code,
            "headers": json.dumps({name: response[name] for name in KEPT_HEADERS if name in response}),
            "body": render(response.data),
            "now": now,
        }
        with connection.cursor() as cursor:
            cursor.execute(
                KEEP, {**self.scope, **answer, "cutoff": _cutoff(now), "at_most": SWEPT_PER_ANSWER}
            )
            if not cursor.rowcount:
                # The lock makes it impossible; if locks fail, the unique key still undoes a second effect.
                raise _in_flight()

    def _lock_number(self) -> int:
        """A signed 64-bit number. An advisory lock has a number and no name."""
        named = "\n".join(("atoll.api.idempotency", *self.scope.values()))
        return int.from_bytes(hashlib.sha256(named.encode()).digest()[:8], signed=True)


class IdempotentRequest(Request):
    """The type of ``request`` in a method marked ``idempotent``."""

    idempotency: Idempotency


def idempotent(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a view method of REST framework honour ``Idempotency-Key``.

    In the method, calls over the network come first, then the work::

        with request.idempotency.transaction() as keep:
            order = place_order(...)
            return keep(Response(data, status=201))

    A repeated request gets the stored answer with ``Idempotency-Replayed: true``, and the method is not
    called. A key counts for one principal, method and route.
    """

    @functools.wraps(method)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        idempotency = Idempotency(request)
        request.idempotency = idempotency  # type: ignore[attr-defined]
        record = idempotency.stored()
        if record is not None:
            return _replay(record)
        try:
            return method(view, request, *args, **kwargs)
        except _Answered as answered:
            return _replay(answered.record)

    answer.is_idempotent = True  # type: ignore[attr-defined]
    return answer


def purge(now: datetime | None = None) -> int:
    """Delete the expired records. Returns their number.

    Every stored answer deletes some of them, so only a service without new answers needs it.
    """
    deleted = total = _sweep(_cutoff(now), PURGE_BATCH)
    while deleted == PURGE_BATCH:
        deleted = _sweep(_cutoff(now), PURGE_BATCH)
        total += deleted
    return total


def _cutoff(now: datetime | None = None) -> datetime:
    return (now or timezone.now()) - KEPT_FOR


def _sweep(cutoff: datetime, at_most: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SWEEP, {"cutoff": cutoff, "at_most": at_most, "key": ""})
        return int(cursor.rowcount)


def _in_flight() -> InFlight:
    return InFlight("A request with this Idempotency-Key is still being worked on.")


def _read_key(header: str | None) -> str | None:
    if header is None:
        return None
    match = _KEY.fullmatch(header.strip())
    if match is None:
        raise InvalidInput(
            f"Idempotency-Key must be one value of 1 to {MAX_KEY_CHARS} visible ASCII characters "
            "without comma or inner quotes.",
            code="invalid_idempotency_key",
        )
    return match["quoted"] or match["bare"]


def _path(request: Request) -> str:
    """The same for every way to write an id, as the view sees one and the same thing."""
    path = request.path
    for value in (request.resolver_match.kwargs if request.resolver_match else {}).values():
        if isinstance(value, UUID):
            path = re.sub(str(value), str(value), path, flags=re.IGNORECASE)
    return path


def _replay(record: IdempotencyRecord) -> HttpResponse:
    return HttpResponse(
        bytes(record.body),
        status=record.status,
        content_type=JSON,
        headers={**record.headers, "Idempotency-Replayed": "true"},
    )
