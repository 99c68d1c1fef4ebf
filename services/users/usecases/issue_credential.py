"""Give a service its secret for service tokens."""

from django.utils import timezone

from atoll.errors import InvalidInput
from atoll.identity.tokens import SERVICE_NAME
from services.users.credentials import MIN_SECRET_CHARS, hash_secret, matches, new_secret
from services.users.models import ServiceCredential


def issue_credential(service: str) -> str:
    """A new secret. Only its hash is stored; the former secret is invalid at once."""
    secret = new_secret()
    store_credential(service, secret)
    return secret


def store_credential(service: str, secret: str) -> bool:
    """Returns whether the stored secret changed. Raises InvalidInput for a short secret or a bad name."""
    if not SERVICE_NAME.fullmatch(service):
        raise InvalidInput(f"{service!r} is no service name: lower-case letters, digits and hyphens.")
    if len(secret) < MIN_SECRET_CHARS:
        raise InvalidInput(f"The secret of {service} must have at least {MIN_SECRET_CHARS} characters.")
    stored = ServiceCredential.objects.filter(service=service).first()
    if stored is not None and stored.is_active and matches(secret, stored.secret_hash):
        return False
    now = timezone.now()
    ServiceCredential.objects.update_or_create(
        service=service,
        defaults={"secret_hash": hash_secret(secret), "is_active": True, "changed_at": now},
        create_defaults={"secret_hash": hash_secret(secret), "created_at": now, "changed_at": now},
    )
    return True
