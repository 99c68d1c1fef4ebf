"""The principal of a request, proven by a token."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal
from uuid import UUID

from atoll.errors import NotAllowed
from atoll.identity.roles import ADMIN, CATALOGUE, OPERATOR, SUPPORT, holds_one_of


@dataclass(frozen=True)
class Principal:
    """A user or a service whose token was verified; DRF's ``request.user``. At the gateway a machine with
    an API key, too, of kind ``consumer``.

    ``id`` is the user's UUID as text, or the service's name on the wire. ``issuer`` is empty for a token of
    users; for one of another issuer it is the ``iss``, and ``id`` may then be any text (docs/issuers.md).
    ``roles`` are the roles when the token was issued; a change of roles revokes a token of users.
    ``session`` names the sign-in of the token. ``issued_at`` and ``expires_at`` are in seconds since 1970.
    """

    id: str
    roles: frozenset[str]
    kind: Literal["user", "service", "consumer"]
    service: str | None
    token_id: str
    email: str | None
    name: str | None
    session: str | None = field(default=None, compare=False)
    issued_at: int = field(default=0, compare=False)
    expires_at: float = field(default=0.0, compare=False)
    issuer: str = field(default="", compare=False)

    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True

    @property
    def pk(self) -> str:
        return self.id

    @property
    def uuid(self) -> UUID:
        """The id for tables whose ids are UUIDs. Raises NotAllowed for a user of an issuer without them."""
        try:
            return UUID(self.id)
        except ValueError:
            raise NotAllowed(
                "This is for accounts whose id is a UUID, and your issuer gives another one.",
                code="id_is_no_uuid",
            ) from None

    @property
    def is_user(self) -> bool:
        return self.kind == "user"

    @property
    def is_service(self) -> bool:
        return self.kind == "service"

    def holds_one_of(self, *roles: str) -> bool:
        """Whether the principal is a user with one of these roles, or an administrator."""
        return self.is_user and holds_one_of(self.roles, roles)

    @property
    def is_support(self) -> bool:
        return self.holds_one_of(SUPPORT)

    @property
    def is_catalogue(self) -> bool:
        return self.holds_one_of(CATALOGUE)

    @property
    def is_operator(self) -> bool:
        return self.holds_one_of(OPERATOR)

    @property
    def is_admin(self) -> bool:
        return self.is_user and ADMIN in self.roles

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
