"""Delete an account."""

from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from atoll.bus import publish
from atoll.bus.operations import personal_data
from services.users.errors import UserNotFound
from services.users.events import UserDeleted
from services.users.models import User
from services.users.usecases.end_sessions import Because, end_all_sessions
from services.users.usecases.keep_an_admin import Administrators


def delete_user(user_id: UUID) -> None:
    """Empty the account and announce it.

    The row stays without address, name, roles or password: its id is written in
    orders and payments, which outlive it, and is never used again. The address
    may register anew. Sessions end at once; messages that told address and name are
    emptied soon after (docs/personal-data.md). Raises NotFound, also the second
    time, and LastAdmin.
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
        LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(User), object_id=str(user.id)
        ).update(object_repr=user.name)
        personal_data.forget(user.id)
        publish(UserDeleted(user.id), key=str(user.id))
