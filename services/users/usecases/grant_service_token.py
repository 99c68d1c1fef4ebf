"""The client credentials grant (RFC 6749 §4.4): a service token for the secret of a service."""

from typing import ClassVar

from django.utils import timezone

from atoll.errors import NotSignedIn
from services.users.credentials import hash_secret, matches
from services.users.models import ServiceCredential
from services.users.tokens import ServiceToken


class WrongSecret(NotSignedIn):
    title = "Invalid service credential"
    default_code = "invalid_client"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="atoll"'}

    def __init__(self) -> None:
        super().__init__(
            "No active service has this name and secret. `manage.py users sync_credentials` stores them."
        )


def grant_service_token(service: str, secret: str) -> str:
    """Raises WrongSecret; it does not tell whether the name is unknown or inactive or the secret is wrong."""
    check_secret(service, secret)
    return str(ServiceToken.of(service))


def check_secret(service: str, secret: str) -> None:
    """Raises WrongSecret. Side effect: notes the use."""
    stored = ServiceCredential.objects.filter(service=service, is_active=True).first()
    if stored is None:
        hash_secret(secret)
        raise WrongSecret()
    if not matches(secret, stored.secret_hash):
        raise WrongSecret()
    ServiceCredential.objects.filter(service=service).update(last_used_at=timezone.now())
