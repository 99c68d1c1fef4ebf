"""Make the first administrator, when no administrator can give the role."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from atoll import text
from atoll.errors import Conflict, InvalidInput
from atoll.identity.roles import ADMIN
from services.users.models import User
from services.users.usecases.register_user import EmailTaken, prepare_user, register_user

NAME_MAX_CHARS = 200


class NoAdministrator(Conflict):
    default_code = "not_an_administrator"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"{email} belongs to an account that is not an active administrator. Nothing was changed: "
            "whoever opened it knows its password. Use another address, or let an administrator give "
            "it the role."
        )


def is_administrator(email: str) -> bool:
    """Whether the address belongs to an active administrator.

    Raises InvalidInput for a malformed address, and NoAdministrator if another account has it.
    """
    try:
        validate_email(email)
        if not email.isascii():
            raise ValidationError("look-alike letters")
    except ValidationError:
        raise InvalidInput(f"{email!r} is not an email address.") from None
    account = User.objects.by_email(email)
    if account is None:
        return False
    if not (account.is_superuser and account.is_active):
        raise NoAdministrator(account.email)
    return True


def make_administrator(*, email: str, password: str, name: str) -> bool:
    """Returns False if the address belongs to an administrator already; then the password is not used.

    Raises InvalidInput for a bad address, a bad name or a weak password, and NoAdministrator.
    """
    if is_administrator(email):
        return False
    if not 1 <= len(name.strip()) <= NAME_MAX_CHARS:
        raise InvalidInput(f"The name must have 1 to {NAME_MAX_CHARS} characters.")
    fault = text.fault_of(name.strip())
    if fault:
        raise InvalidInput(f"The name cannot be used. {fault}")
    user = prepare_user(email=email, password=password, name=name, roles=(ADMIN,))
    try:
        register_user(user)
    except EmailTaken:
        # Another process registered the address since the check above: check the new account.
        is_administrator(email)
        return False
    return True
