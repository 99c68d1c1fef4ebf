"""Take a service its credential."""

from django.utils import timezone

from services.users.models import ServiceCredential


def withdraw_credential(service: str) -> None:
    """No new tokens for it; one already granted lives on, fifteen minutes at most."""
    ServiceCredential.objects.filter(service=service).update(is_active=False, changed_at=timezone.now())
