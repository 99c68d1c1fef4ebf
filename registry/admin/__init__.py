"""Services, instances, credentials and the journal, for support and operators."""

from registry.admin.credentials import CredentialAdmin
from registry.admin.instances import InstanceAdmin
from registry.admin.journal import JournalEntryAdmin
from registry.admin.services import ServiceAdmin

__all__ = ["CredentialAdmin", "InstanceAdmin", "JournalEntryAdmin", "ServiceAdmin"]
