"""Client credentials (RFC 6749 §4.4): a service's secret for a service token."""

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
    """A service token. Raises WrongSecret, the same for an unknown name, an inactive one and a bad secret."""
    held = ServiceCredential.objects.filter(service=service, is_active=True).first()
    if held is None:
        hash_secret(secret)
        raise WrongSecret()
    if not matches(secret, held.secret_hash):
        raise WrongSecret()
    ServiceCredential.objects.filter(service=service).update(last_used_at=timezone.now())
    return str(ServiceToken.of(service))
