"""Which caller may do what with which account."""

from uuid import UUID

from atoll.errors import InvalidInput, NotAllowed
from atoll.identity import Principal
from services.users.errors import UserNotFound
from services.users.models import User
from services.users.selectors import account


def check_reading(caller: Principal, user_id: UUID) -> None:
    """Raises NotFound unless the account is the caller's own or the caller is support or a service."""
    if not (caller.is_service or caller.is_support or is_self(caller, user_id)):
        raise UserNotFound()


def changeable_account(caller: Principal, user_id: UUID) -> User:
    """The account, if the caller may change it.

    Everybody may change their own active account, support accounts of customers, administrators all
    accounts. Raises NotFound and NotAllowed.
    """
    if not (caller.is_support or is_self(caller, user_id)):
        raise UserNotFound()
    user = account(user_id)
    if is_self(caller, user_id) and not user.is_active:
        raise NotAllowed("This account is inactive; nothing of it can be changed.", code="account_inactive")
    if user.is_staff and not caller.is_admin and not is_self(caller, user_id):
        raise NotAllowed("Only an administrator may change the account of staff.")
    return user


def check_roles_change(caller: Principal, user_id: UUID | None) -> None:
    """Only administrators set roles, and not their own. ``user_id`` is None for a new account."""
    if not caller.is_admin:
        raise NotAllowed("Only an administrator may set roles.", code="roles_need_admin")
    if user_id is not None and is_self(caller, user_id):
        raise NotAllowed("Nobody may change their own roles.", code="own_roles")


def check_active_change(caller: Principal, user_id: UUID) -> None:
    if not caller.is_support or is_self(caller, user_id):
        raise NotAllowed("Only support may activate or deactivate accounts, and not their own.")


def check_password_change(caller: Principal, user_id: UUID) -> None:
    if not is_self(caller, user_id):
        raise NotAllowed("Only the owner of an account may change its password.")


def must_show_password(caller: Principal, user_id: UUID) -> bool:
    """Whether the caller owns the account. For accounts of others the caller's role is enough."""
    return is_self(caller, user_id)


def check_current_password(user: User, given: str | None, *, to: str) -> None:
    """Raises InvalidInput without a password, and WrongPassword. ``to`` is the purpose, for the text."""
    if not given:
        raise InvalidInput(
            f"To {to} send the present password as currentPassword.",
            code="current_password_required",
            details={"currentPassword": [f"This field is required to {to}."]},
        )
    if not user.check_password(given):
        raise WrongPassword()


class WrongPassword(NotAllowed):
    default_code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("currentPassword is not the present password.")


def is_self(caller: Principal, user_id: UUID) -> bool:
    return caller.is_user and caller.id == str(user_id)
