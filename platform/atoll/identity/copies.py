"""The copies of staff accounts in ``auth.User``, for an admin's log and its sessions.

Each sign-in fills the copy, so it may be emptied while its account has no session.
"""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils import timezone

# A project without a worker receives no message about a deleted account.
ABSENT_AFTER = timedelta(days=30)
EMPTY = {"email": "", "first_name": "", "last_name": ""}


def forget(user_id: str) -> None:
    """Empty and lock the copy of a deleted account, and end its sessions. The row stays, because the admin's
    log refers to it by the account's id."""
    from atoll.identity.oidc.admin_sessions import end_sessions_of

    if model := _model():
        end_sessions_of(user_id)
        closed = {"is_active": False, "is_staff": False, "is_superuser": False}
        model._default_manager.filter(username=user_id).update(**EMPTY, **closed)


def forget_absent() -> int:
    """Empty the copies of accounts without a sign-in for ABSENT_AFTER. Returns their number.

    The next sign-in fills a copy again.
    """
    if not (model := _model()):
        return 0
    absent = model._default_manager.filter(last_login__lt=timezone.now() - ABSENT_AFTER).exclude(**EMPTY)
    return int(absent.update(**EMPTY))


def on_sign_in(**_: Any) -> None:
    """Every sign-in empties the copies of absent accounts."""
    forget_absent()


def _model() -> Any:
    """Django's own User; None where the project has its own accounts, or no admin."""
    if not apps.is_installed("django.contrib.auth"):
        return None
    model = get_user_model()
    return model if model._meta.label == "auth.User" else None
