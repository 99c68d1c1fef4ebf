"""Never let the last administrator go."""

from uuid import UUID

from atoll.errors import Conflict
from atoll.identity.roles import ADMIN
from services.users.models import User


class LastAdmin(Conflict):
    default_code = "last_admin"

    def __init__(self) -> None:
        super().__init__("This is the last active administrator. Make another one first.")


class Administrators:
    """Every active administrator, locked in one order until the transaction ends.

    Take them before any account's own lock: then two who go at the same moment
    wait for each other and cannot each count on the other.
    """

    def __init__(self) -> None:
        rows = User.objects.select_for_update().filter(roles__contains=[ADMIN], is_active=True)
        self._ids = set(rows.order_by("id").values_list("id", flat=True))

    def let_go(self, user_id: UUID) -> None:
        """Raises LastAdmin if this is the only one."""
        if self._ids == {user_id}:
            raise LastAdmin()
