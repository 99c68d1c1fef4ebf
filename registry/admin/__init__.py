"""What operators see and may do: services, instances, credentials, the journal."""

from registry.admin.credentials import CredentialAdmin
from registry.admin.instances import InstanceAdmin
from registry.admin.journal import EventAdmin
from registry.admin.services import ServiceAdmin

__all__ = ["CredentialAdmin", "EventAdmin", "InstanceAdmin", "ServiceAdmin"]
