"""Create an account."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction

from atoll.bus import publish
from atoll.errors import Conflict
from services.users.events import UserCreated
from services.users.models import User
from services.users.passwords import require_good_password


class EmailTaken(Conflict):
    title = "Email already registered"
    default_code = "email_taken"

    def __init__(self) -> None:
        super().__init__("An account with this email exists. Sign in, or use another email.")


def prepare_user(*, email: str, password: str, name: str, roles: Iterable[str] = ()) -> User:
    """An unsaved account with its password hashed, so no transaction waits for the hash.

    Raises InvalidInput for a weak password.
    """
    user = User(email=email.strip().lower(), name=name.strip(), roles=sorted(set(roles)))
    require_good_password(password, user)
    user.set_password(password)
    return user


def register_user(user: User) -> User:
    """Save a prepared account and announce it. Raises EmailTaken."""
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            publish(UserCreated(user.id, user.email, user.name), key=str(user.id))
    except IntegrityError as error:
        raise email_taken(error) from None
    return user


def email_taken(error: IntegrityError) -> Exception:
    """EmailTaken if the database refused a used address, else ``error``."""
    return EmailTaken() if "users_email_unique" in str(error) else error
