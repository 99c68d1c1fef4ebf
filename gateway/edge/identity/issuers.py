"""Issuers of tokens beside our users service, as a published document declares them."""

import re
from dataclasses import dataclass
from typing import Any

from atoll.identity import roles
from atoll.identity.tokens import issuer as own_issuer
from gateway.edge.identity.declaration import (
    InvalidIdentity,
    require_distinct,
    rows,
    switch,
    table,
    text,
    texts,
)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with a public key. A shared secret (HS256) could be made by everybody who verifies."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
ADDRESS = re.compile(
    r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)
CLAIM = re.compile(r"[\x21-\x7e]{1,200}")
PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
MAX_ADDRESS_CHARS = 500
MAX_AUDIENCES = 20
MAX_ROLE_NAMES = 100


@dataclass(frozen=True)
class Issuer:
    """``issuer`` equals the ``iss`` of its tokens. One of ``audience`` must be in their ``aud``.

    ``jwks_url`` is empty when the discovery document names the key set. ``id_claim`` and ``roles_claim``
    are names of claims, or dotted paths into them. ``role_names`` leads from the issuer's names to
    roles of ours; other roles are dropped. Unless ``bare_ids``, the name and a colon stand before an id,
    since two issuers may give out the same id.
    """

    name: str
    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    jwks_url: str
    id_claim: str
    roles_claim: str
    role_names: tuple[tuple[str, str], ...]
    bare_ids: bool


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
    problem = _address_problem(issuer) or _token_problem(issuer) or _claim_problem(issuer)
    if problem:
        raise InvalidIdentity(f"Issuer '{issuer.name}': {problem}")


def _address_problem(issuer: Issuer) -> str | None:
    if not NAME.fullmatch(issuer.name):
        return "its name must be lower-case letters, digits and hyphens, at most 31."
    if not _is_address(issuer.issuer):
        return f"{issuer.issuer!r} is no address such as https://id.example.com/realms/shop."
    if issuer.issuer == own_issuer():
        return "our users service has this address: its tokens need no row."
    if issuer.jwks_url and not _is_address(issuer.jwks_url):
        return f"the key set {issuer.jwks_url!r} is no address such as https://id.example.com/certs."
    return None


def _is_address(given: str) -> bool:
    return len(given) <= MAX_ADDRESS_CHARS and ADDRESS.fullmatch(given) is not None


def _token_problem(issuer: Issuer) -> str | None:
    if not 1 <= len(issuer.audience) <= MAX_AUDIENCES or not all(map(PRINTABLE.fullmatch, issuer.audience)):
        return f"name 1 to {MAX_AUDIENCES} audiences: a token for another program must not be good here."
    if not issuer.algorithms or not set(issuer.algorithms) <= set(ALGORITHMS):
        return f"its algorithms must be some of {', '.join(ALGORITHMS)}."
    return None


def _claim_problem(issuer: Issuer) -> str | None:
    if not CLAIM.fullmatch(issuer.id_claim):
        return "name the claim with the id of the user, such as sub."
    if issuer.roles_claim and not CLAIM.fullmatch(issuer.roles_claim):
        return f"{issuer.roles_claim!r} is no claim, such as realm_access.roles."
    if len(issuer.role_names) > MAX_ROLE_NAMES:
        return f"it can translate {MAX_ROLE_NAMES} roles at most."
    for theirs, ours in issuer.role_names:
        if not PRINTABLE.fullmatch(theirs) or ours not in roles.ROLES:
            return f"the role {theirs!r} must become one of {', '.join(roles.ROLES)}."
    if issuer.role_names and not issuer.roles_claim:
        return "name the claim that has the roles, such as realm_access.roles."
    return None
