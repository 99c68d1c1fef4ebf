"""Issues, revokes and lists the credentials of services."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from atoll import text
from atoll.errors import InvalidInput, Refusal
from registry.constants import CREDENTIALS_CHANNEL
from registry.models import Credential, JournalEntry

MIN_SECRET_CHARACTERS = 20
# A secret that a person brings may be less random than ours. The users service asks for as much.
MIN_BROUGHT_CHARACTERS = 32
MIN_BROUGHT_DIFFERENT = 10
SECRET_BYTES = 32
USE_NOTED_EVERY = timedelta(hours=1)
OWNER_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
BROUGHT = re.compile(r"[!-~]+")
WORKER_SUFFIX = ".worker"


class InvalidCredential(Refusal):
    status = 401
    title = "Service credential required"
    default_code = "invalid_credential"


@dataclass(frozen=True)
class ActiveCredential:
    """A credential that is accepted, as each process of the registry keeps it in memory."""

    pk: int
    service: str


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def issue(service: str, *, label: str = "", actor: str) -> tuple[Credential, str]:
    """A new credential and its secret. The database keeps only the digest of the secret."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return ensure(service, secret, label=label, actor=actor)[0], secret


def check_brought(secret: str) -> None:
    """Raises InvalidInput for a secret that could be guessed, or that HTTP Basic cannot carry."""
    if not BROUGHT.fullmatch(secret):
        raise InvalidInput("Use letters, digits and punctuation, without spaces.", code="weak_secret")
    if len(secret) < MIN_BROUGHT_CHARACTERS or len(set(secret)) < MIN_BROUGHT_DIFFERENT:
        raise InvalidInput(
            f"Use at least {MIN_BROUGHT_CHARACTERS} random characters, as `openssl rand -hex 32` prints.",
            code="weak_secret",
        )


def check_free(secret: str) -> None:
    """Raises InvalidInput for the secret of another credential, revoked ones included."""
    if Credential.objects.filter(digest=digest(secret)).exists():
        raise InvalidInput("A credential with this secret exists, or was revoked.", code="secret_not_usable")


def ensure(service: str, secret: str, *, label: str = "", actor: str) -> tuple[Credential, bool]:
    """The credential for a secret made elsewhere, and whether it is new.

    Raises InvalidInput for an invalid service name or label, a short secret, and the secret of another
    service or of a revoked credential.
    """
    if not OWNER_NAME.fullmatch(service):
        raise InvalidInput(f"{service!r} is no service name.", code="invalid_service_name")
    fault = text.fault_of(label) if label else None
    if fault:
        raise InvalidInput(f"The label cannot be used. {fault}", code="unfit_text")
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise InvalidInput(
            f"The secret of {service} is shorter than {MIN_SECRET_CHARACTERS} characters. "
            "Use a long random value.",
            code="weak_secret",
        )
    with transaction.atomic():
        credential, is_new = Credential.objects.get_or_create(
            digest=digest(secret), defaults={"service": service, "label": label, "created_by": actor}
        )
        if credential.service != service or credential.revoked_at is not None:
            raise InvalidInput(
                f"The secret of {service} was revoked or belongs to another service. Make a new one.",
                code="secret_not_usable",
            )
        if is_new:
            JournalEntry.objects.create(
                kind=JournalEntry.Kind.CREDENTIAL_ISSUED,
                service=service,
                actor=actor,
                details={"label": label},
            )
            _notify()
    return credential, is_new


def revoke(credential: Credential, *, actor: str) -> bool:
    """At commit, every process of the registry stops to accept it. False when it was revoked already."""
    with transaction.atomic():
        changed = Credential.objects.filter(pk=credential.pk, revoked_at=None).update(revoked_at=Now())
        if changed:
            JournalEntry.objects.create(
                kind=JournalEntry.Kind.CREDENTIAL_REVOKED,
                service=credential.service,
                actor=actor,
                details={"label": credential.label},
            )
            _notify()
    return bool(changed)


def active_credentials() -> dict[str, ActiveCredential]:
    """All credentials that are accepted now, by the digest of their secret."""
    rows = Credential.objects.filter(revoked_at=None).order_by().values_list("digest", "pk", "service")
    return {found: ActiveCredential(pk, service) for found, pk, service in rows}


def note_use(used: Iterable[int]) -> None:
    """Record when these credentials were last used, to the hour, so that few calls write."""
    is_due = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
    Credential.objects.filter(is_due, pk__in=set(used)).update(last_used_at=Now())


def may_write(credential: ActiveCredential, service_name: str) -> bool:
    """Whether the name is the credential's service or its worker."""
    return service_name in {credential.service, credential.service + WORKER_SUFFIX}


def _notify() -> None:
    """Let every process of the registry read the credentials again, at commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CREDENTIALS_CHANNEL])
