"""Delete an account."""

from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from atoll.admin.changes import ARROW
from atoll.bus import publish
from atoll.bus.operations import personal_data
from services.users.errors import UserNotFound
from services.users.events import UserDeleted
from services.users.models import EmailChange, User
from services.users.usecases.end_sessions import Because, end_all_sessions
from services.users.usecases.keep_an_admin import Administrators

ERASED = "Changed. The values were erased with the account."


def delete_user(user_id: UUID) -> None:
    """Erase the account's personal data and announce its deletion.

    The row stays without address, name, roles and password, because orders and payments refer to
    its id. The address can register again. All sessions end at once; the bus erases the messages
    with address and name soon after (docs/personal-data.md). Raises NotFound, also for a deleted
    account, and LastAdmin.
    """
    with transaction.atomic():
        administrators = Administrators()
        user = User.objects.select_for_update().filter(id=user_id, deleted_at=None).first()
        if user is None:
            raise UserNotFound()
        administrators.let_go(user.id)
        user.email = f"{user.id}@deleted.invalid"
        user.name = "Deleted user"
        user.roles = []
        user.password = make_password(None)
        user.is_active = False
        user.last_login = None
        user.deleted_at = timezone.now()
        user.save()
        end_all_sessions(user, Because.DELETED)
        EmailChange.objects.filter(user=user).delete()
        about = LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(User), object_id=str(user.id)
        )
        about.update(object_repr=user.name)
        # The history of an edit has the old and the new address and name.
        about.filter(change_message__contains=ARROW).update(change_message=ERASED)
        personal_data.forget(user.id)
        publish(UserDeleted(user.id), key=str(user.id))
