"""Services, instances, credentials, the journal and notifications, for support and operators."""

from registry.admin.credentials import CredentialAdmin
from registry.admin.instances import InstanceAdmin
from registry.admin.journal import JournalEntryAdmin
from registry.admin.notifications import IncidentAdmin, NotificationAdmin, NotificationRuleAdmin
from registry.admin.services import ServiceAdmin

__all__ = [
    "CredentialAdmin",
    "IncidentAdmin",
    "InstanceAdmin",
    "JournalEntryAdmin",
    "NotificationAdmin",
    "NotificationRuleAdmin",
    "ServiceAdmin",
]
