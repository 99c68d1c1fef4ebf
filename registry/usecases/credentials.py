"""Who may write for which service name."""

import hashlib
import re
import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from atoll.errors import InvalidInput, Refusal
from registry.models import Credential, Event

MIN_SECRET_CHARACTERS = 20
SECRET_BYTES = 32
USE_NOTED_EVERY = timedelta(hours=1)
OWNER_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
WORKER_SUFFIX = ".worker"


class InvalidCredential(Refusal):
    status = 401
    title = "Service credential required"
    default_code = "invalid_credential"


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def issue(service: str, *, label: str = "", actor: str) -> tuple[Credential, str]:
    """A new credential and its secret, which can be seen only here."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return ensure(service, secret, label=label, actor=actor)[0], secret


def ensure(service: str, secret: str, *, label: str = "", actor: str) -> tuple[Credential, bool]:
    """The credential for a secret made elsewhere, and whether it is new.

    Raises InvalidInput for a name no service can have, a secret short enough to be guessed,
    or one that another service holds or that was revoked.
    """
    if not OWNER_NAME.fullmatch(service):
        raise InvalidInput(f"{service!r} is no service name.", code="invalid_service_name")
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
            Event.objects.create(
                kind=Event.Kind.CREDENTIAL_ISSUED, service=service, actor=actor, details={"label": label}
            )
    return credential, is_new


def revoke(credential: Credential, *, actor: str) -> bool:
    """No longer accepted when this returns. False when it was revoked already."""
    with transaction.atomic():
        changed = Credential.objects.filter(pk=credential.pk, revoked_at=None).update(revoked_at=Now())
        if changed:
            Event.objects.create(
                kind=Event.Kind.CREDENTIAL_REVOKED,
                service=credential.service,
                actor=actor,
                details={"label": credential.label},
            )
    return bool(changed)


def check(service: str, secret: str) -> Credential:
    """Raises InvalidCredential, the same one for an unknown service and a wrong secret."""
    credential = Credential.objects.filter(digest=digest(secret), service=service, revoked_at=None).first()
    if credential is None:
        raise InvalidCredential(
            "Send HTTP Basic with the service's name and its SERVICE_SECRET. If it was set only "
            "now, run `python manage.py registry sync_credentials`."
        )
    if credential.last_used_at is None or timezone.now() - credential.last_used_at > USE_NOTED_EVERY:
        Credential.objects.filter(pk=credential.pk).update(last_used_at=Now())
    return credential


def may_write(credential: Credential, service_name: str) -> bool:
    """Its own name and its worker's, nobody else's."""
    return service_name in {credential.service, credential.service + WORKER_SUFFIX}
