"""The rows of ``auth.User`` by which an admin knows staff: copies of their accounts at users.

The admin's log and its sessions need a row. It is filled at each sign-in, so it may be emptied
whenever nobody is signed in by it.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

# Projects without a worker do not hear that an account was deleted.
ABSENT_AFTER = timedelta(days=30)
EMPTY = {"email": "", "first_name": "", "last_name": ""}


def forget(user_id: str) -> None:
    """Empty and lock the copy of an account that was deleted. The row stays: the log of decisions names
    it by the account's id."""
    if model := _model():
        closed = {"is_active": False, "is_staff": False, "is_superuser": False}
        model._default_manager.filter(username=user_id).update(**EMPTY, **closed)


def forget_absent() -> int:
    """Empty the copies of everybody who has not signed in for ABSENT_AFTER; how many there were.

    Their next sign-in fills them again.
    """
    if not (model := _model()):
        return 0
    absent = model._default_manager.filter(last_login__lt=timezone.now() - ABSENT_AFTER).exclude(**EMPTY)
    return int(absent.update(**EMPTY))


def on_sign_in(**_: Any) -> None:
    """Whoever signs in empties the copies of those who have long stayed away."""
    forget_absent()


def _model() -> Any:
    """Django's own accounts; None where the project keeps accounts itself, or no admin."""
    if not apps.is_installed("django.contrib.auth"):
        return None
    model = get_user_model()
    return model if model._meta.label == "auth.User" else None
