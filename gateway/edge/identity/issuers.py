"""Issuers of tokens beside our users service, as a published document declares them."""

from typing import Any

from atoll.identity import roles
from atoll.identity.foreign.issuers import Issuer, problem_of
from gateway.edge.identity.declaration import (
    InvalidIdentity,
    require_distinct,
    rows,
    switch,
    table,
    text,
    texts,
)


def read_issuers(given: object) -> tuple[Issuer, ...]:
    """The ``issuers`` of a document. Raises InvalidIdentity."""
    found = tuple(_issuer(row) for row in rows(given, "issuers"))
    for issuer in found:
        check_issuer(issuer)
    check_distinct_issuers(found)
    return found


def check_distinct_issuers(issuers: tuple[Issuer, ...]) -> None:
    """Raises InvalidIdentity for two of one name or one address."""
    require_distinct([issuer.name for issuer in issuers], "issuers")
    require_distinct([issuer.issuer for issuer in issuers], "issuers")


def _issuer(row: dict[str, Any]) -> Issuer:
    try:
        return Issuer(
            name=text(row, "name"),
            issuer=text(row, "issuer"),
            audience=texts(row, "audience"),
            algorithms=texts(row, "algorithms") or ("RS256",),
            jwks_url=text(row, "jwks_url"),
            id_claim=text(row, "id_claim", "sub"),
            roles_claim=text(row, "roles_claim"),
            role_names=tuple(sorted((name, str(role)) for name, role in table(row, "role_names").items())),
            bare_ids=switch(row, "bare_ids"),
        )
    except InvalidIdentity as error:
        raise InvalidIdentity(f"Issuer '{row.get('name')}': {error}") from None


def check_issuer(issuer: Issuer) -> None:
    """Raises InvalidIdentity, which names the issuer and the change that it needs."""
    problem = problem_of(issuer)
    told = problem.text if problem else _row_problem(issuer)
    if told:
        raise InvalidIdentity(f"Issuer '{issuer.name}': {told}")


def _row_problem(issuer: Issuer) -> str | None:
    if not issuer.name:
        return "its name must be lower-case letters, digits and hyphens, at most 31."
    for theirs, ours in issuer.role_names:
        if ours not in roles.ROLES:
            return f"the role {theirs!r} must become one of {', '.join(roles.ROLES)}."
    return None
