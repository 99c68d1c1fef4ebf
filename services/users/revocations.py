"""Revocations, which end tokens before their expiry; ``atoll.identity.revocations`` defines their meaning."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from atoll.identity import Principal
from atoll.identity.revocations import MAX_MARKS
from services.users.models import Revocation

# Longer than the longest life of a token that other services verify, plus the leeway for their clocks.
KEPT = timedelta(minutes=16)
PURGED_AT_ONCE = 500

IS_REVOKED = "SELECT FROM users_revocation WHERE key = ANY(%s) AND before >= %s LIMIT 1"


def revoke_account(account_id: UUID | str, *, ends_sessions: bool) -> None:
    """Revoke all tokens of an account or of a service that were issued until now.

    Call it in a transaction that holds the lock of the account's row. ``first_second`` dates
    each later token after the revocation.
    """
    key = f"sub:{account_id}"
    ended = Revocation.objects.filter(key=key, ends_sessions=True).exists()
    _mark([key], Revocation.Kind.ACCOUNT, ends_sessions=ends_sessions or ended)


def revoke_sign_ins(family_ids: Iterable[UUID]) -> None:
    """Revoke all tokens of these sign-ins."""
    _mark([f"sid:{family_id}" for family_id in family_ids], Revocation.Kind.SIGN_IN, ends_sessions=False)


def first_second(account_id: UUID | str) -> int:
    """The earliest time of issue, in seconds since 1970, that is after the revocation of the account."""
    before = Revocation.objects.filter(key=f"sub:{account_id}").values_list("before", flat=True).first()
    return 0 if before is None else before + 1


def document() -> dict[str, Any]:
    """The document for verifiers. It leaves out the oldest sign-ins above MAX_MARKS entries."""
    alive = Revocation.objects.filter(expires_at__gt=timezone.now()).order_by("kind", "-expires_at")
    rows = alive.values_list("key", "before", "ends_sessions")[:MAX_MARKS]
    return {"revoked": {key: [before, ends] for key, before, ends in rows}}


def is_revoked(principal: Principal) -> bool:
    """Reads the table, so users itself refuses a revoked token at once."""
    keys = [f"sub:{principal.id}", f"sid:{principal.session}"]
    with connection.cursor() as cursor:
        cursor.execute(IS_REVOKED, [keys[: 1 if principal.session is None else 2], principal.issued_at])
        return cursor.fetchone() is not None


def _mark(keys: list[str], kind: Revocation.Kind, *, ends_sessions: bool) -> None:
    now = timezone.now()
    over = Revocation.objects.filter(expires_at__lt=now).select_for_update(skip_locked=True)
    Revocation.objects.filter(key__in=list(over.values_list("key", flat=True)[:PURGED_AT_ONCE])).delete()
    second = int(time.time())
    Revocation.objects.bulk_create(
        [
            Revocation(key=key, kind=kind, before=second, ends_sessions=ends_sessions, expires_at=now + KEPT)
            for key in sorted(keys)
        ],
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["before", "ends_sessions", "expires_at"],
    )
