"""Change an account."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from atoll.bus import publish
from services.users.errors import UserNotFound
from services.users.events import UserUpdated
from services.users.models import User
from services.users.revocations import revoke_account
from services.users.usecases.end_sessions import Because, end_all_sessions
from services.users.usecases.keep_an_admin import Administrators
from services.users.usecases.register_user import email_taken
from services.users.usecases.request_email_change import request_email_change
from services.users.usecases.tell_email_change import tell_email_change

ON_THE_WIRE = {"email": "email", "name": "name", "roles": "roles", "is_active": "isActive"}


@dataclass(frozen=True)
class Changes:
    """None does not change a field. ``permissions`` decides before who may change what.

    ``requested_email`` becomes the address when it is confirmed; the present one withdraws a request.
    """

    email: str | None = None
    requested_email: str | None = None
    name: str | None = None
    roles: frozenset[str] | None = None
    is_active: bool | None = None
    password_hash: str | None = None

    @property
    def may_remove_an_admin(self) -> bool:
        return self.roles is not None or self.is_active is not None

    def values(self) -> dict[str, Any]:
        given = {
            "email": self.email.strip().lower() if self.email is not None else None,
            "name": self.name.strip() if self.name is not None else None,
            "roles": sorted(self.roles) if self.roles is not None else None,
            "is_active": self.is_active,
        }
        return {name: value for name, value in given.items() if value is not None}


def update_user(user_id: UUID, changes: Changes) -> User:
    """Save the changes and announce the fields with a new value.

    A new password and a deactivation end every session; new roles revoke access tokens. A new address
    is told to the former and the new one. Raises NotFound, EmailTaken, and LastAdmin if no active
    administrator would remain.
    """
    try:
        with transaction.atomic():
            return _update(user_id, changes)
    except IntegrityError as error:
        raise email_taken(error) from None


def _update(user_id: UUID, changes: Changes) -> User:
    administrators = Administrators() if changes.may_remove_an_admin else None
    user = User.objects.select_for_update().filter(id=user_id, deleted_at=None).first()
    if user is None:
        raise UserNotFound()
    different = {name: value for name, value in changes.values().items() if getattr(user, name) != value}
    if different or changes.password_hash is not None:
        _save(user, changes, different, administrators)
    if changes.requested_email is not None:
        request_email_change(user, changes.requested_email.strip().lower())
    return user


def _save(
    user: User, changes: Changes, different: dict[str, Any], administrators: Administrators | None
) -> None:
    former_email = user.email
    for name, value in different.items():
        setattr(user, name, value)
    if administrators is not None and not (user.is_superuser and user.is_active):
        administrators.let_go(user.id)
    if changes.password_hash is not None:
        user.password = changes.password_hash
        end_all_sessions(user, Because.PASSWORD_CHANGED)
    if not user.is_active:
        end_all_sessions(user, Because.INACTIVE)
    if "roles" in different:
        revoke_account(user.id, ends_sessions=False)
    user.save()
    if "email" in different:
        tell_email_change(user, former_email)
    if different:
        announced = {ON_THE_WIRE[name]: value for name, value in different.items()}
        publish(UserUpdated(user.id, announced), key=str(user.id))
