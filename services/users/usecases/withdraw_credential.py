"""Withdraw the credential of a service."""

from django.db import transaction
from django.utils import timezone

from services.users.models import ServiceCredential
from services.users.revocations import revoke_account


def withdraw_credential(service: str) -> None:
    """The service gets no new tokens; all services refuse its present tokens within seconds."""
    with transaction.atomic():
        ServiceCredential.objects.filter(service=service).update(is_active=False, changed_at=timezone.now())
        revoke_account(service, ends_sessions=False)
