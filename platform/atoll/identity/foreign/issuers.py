"""An issuer of access tokens beside our users service, and the rules for its row or its settings."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from atoll.identity.tokens import issuer as own_issuer

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures with a public key. A shared secret (HS256) could be made by everybody who verifies."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
ROLE = re.compile(r"[a-z][a-z0-9_.:-]{0,63}")
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


class Problem(NamedTuple):
    """``field`` is that of `Issuer` which must change."""

    field: str
    text: str


def problem_of(issuer: Issuer) -> Problem | None:
    """None for an issuer that can be used. A name may be missing where ids stand alone."""
    return _address_problem(issuer) or _token_problem(issuer) or _claim_problem(issuer)


def _address_problem(issuer: Issuer) -> Problem | None:
    if not NAME.fullmatch(issuer.name) and not (issuer.bare_ids and not issuer.name):
        return Problem("name", "its name must be lower-case letters, digits and hyphens, at most 31.")
    if not _is_address(issuer.issuer):
        return Problem(
            "issuer", f"{issuer.issuer!r} is no address such as https://id.example.com/realms/shop."
        )
    if issuer.issuer == own_issuer():
        return Problem("issuer", "our users service has this address: its tokens are good without that.")
    if issuer.jwks_url and not _is_address(issuer.jwks_url):
        return Problem(
            "jwks_url",
            f"the key set {issuer.jwks_url!r} is no address such as https://id.example.com/certs.",
        )
    return None


def _is_address(given: str) -> bool:
    return len(given) <= MAX_ADDRESS_CHARS and ADDRESS.fullmatch(given) is not None


def _token_problem(issuer: Issuer) -> Problem | None:
    if not 1 <= len(issuer.audience) <= MAX_AUDIENCES or not all(map(PRINTABLE.fullmatch, issuer.audience)):
        return Problem(
            "audience",
            f"name 1 to {MAX_AUDIENCES} audiences: a token for another program must not be good here.",
        )
    if not issuer.algorithms or not set(issuer.algorithms) <= set(ALGORITHMS):
        return Problem("algorithms", f"its algorithms must be some of {', '.join(ALGORITHMS)}.")
    return None


def _claim_problem(issuer: Issuer) -> Problem | None:
    if not CLAIM.fullmatch(issuer.id_claim):
        return Problem("id_claim", "name the claim with the id of the user, such as sub.")
    if issuer.roles_claim and not CLAIM.fullmatch(issuer.roles_claim):
        return Problem("roles_claim", f"{issuer.roles_claim!r} is no claim, such as realm_access.roles.")
    if len(issuer.role_names) > MAX_ROLE_NAMES:
        return Problem("role_names", f"it can translate {MAX_ROLE_NAMES} roles at most.")
    for theirs, ours in issuer.role_names:
        if not PRINTABLE.fullmatch(theirs) or not ROLE.fullmatch(ours):
            return Problem("role_names", f"the role {theirs!r} cannot become {ours!r}.")
    if issuer.role_names and not issuer.roles_claim:
        return Problem("roles_claim", "name the claim that has the roles, such as realm_access.roles.")
    return None
