"""Refuse changes that would leave no active administrator."""

from uuid import UUID

from atoll.errors import Conflict
from atoll.identity.roles import ADMIN
from services.users.models import User


class LastAdmin(Conflict):
    default_code = "last_admin"

    def __init__(self) -> None:
        super().__init__("This is the last active administrator. Make another one first.")


class Administrators:
    """All active administrators, locked in the order of their ids until the transaction ends.

    Create it before you lock another account. Then two administrators who leave at the same
    moment wait for each other, and the second one is refused.
    """

    def __init__(self) -> None:
        rows = User.objects.select_for_update().filter(roles__contains=[ADMIN], is_active=True)
        self._ids = set(rows.order_by("id").values_list("id", flat=True))

    def let_go(self, user_id: UUID) -> None:
        """Raises LastAdmin if this is the only one."""
        if self._ids == {user_id}:
            raise LastAdmin()
