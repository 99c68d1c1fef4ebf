"""The issuer outside of the platform whose access tokens this project accepts (docs/issuers.md).

ISSUER_URL         the ``iss`` of its tokens, exactly; without it the tokens of users alone are good
ISSUER_AUDIENCE    one of these must be in ``aud``, with commas between
ISSUER_NAME        stands before its ids (``keycloak:3d1f``), and the tokens of users stay good beside.
                   Without a name its ids stand alone, and it is the only issuer: no id is of two people
ISSUER_ALGORITHMS  RS256 unless set
ISSUER_JWKS_URL    the key set, for an issuer without a discovery document
ISSUER_ID_CLAIM    ``sub`` unless set
ISSUER_ROLES_CLAIM the claim of the roles; a dot leads into an object
ISSUER_ROLES       ``theirs=ours, theirs=ours``; other roles of theirs are dropped
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.identity.foreign.discovery import discover
from atoll.identity.foreign.issuers import Issuer, problem_of
from atoll.identity.foreign.outside import Rules
from atoll.identity.foreign.signing_keys import SigningKey, read_signing_keys
from atoll.identity.jwks import KeySetOf
from atoll.identity.key_source import KeySourceOf

URL = "ISSUER_URL"
SETTING_OF = {
    "name": "ISSUER_NAME",
    "issuer": URL,
    "jwks_url": "ISSUER_JWKS_URL",
    "audience": "ISSUER_AUDIENCE",
    "algorithms": "ISSUER_ALGORITHMS",
    "id_claim": "ISSUER_ID_CLAIM",
    "roles_claim": "ISSUER_ROLES_CLAIM",
    "role_names": "ISSUER_ROLES",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The deployment names the address, so it may be in the own network.
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True)
class Trusted:
    issuer: Issuer
    keys: KeySourceOf[SigningKey]

    @property
    def is_alone(self) -> bool:
        """Whether the tokens of users are not accepted."""
        return self.issuer.bare_ids


@cache
def trusted() -> Trusted | None:
    """None when tokens of users alone are good. Raises ImproperlyConfigured, with the setting."""
    issuer = configured()
    if issuer is None:
        return None
    rules = Rules(networks=ANYWHERE, allow_http=not _needs_tls(issuer))
    place = hashlib.sha256(f"{issuer.issuer} {issuer.jwks_url}".encode()).hexdigest()

    def fetch() -> Any:
        return discover(issuer, rules).jwks

    return Trusted(
        issuer,
        KeySourceOf(
            fetch,
            keys=KeySetOf(read_signing_keys),
            owner=issuer.name or "issuer",
            keep=conf.home() / "issuers" / f"{place[:32]}.json",
        ),
    )


def configured() -> Issuer | None:
    """The issuer of the settings. Raises ImproperlyConfigured."""
    given = {field: _variable(name) or "" for field, name in SETTING_OF.items()}
    if not given["issuer"]:
        if lonely := [SETTING_OF[field] for field, value in given.items() if value]:
            raise ImproperlyConfigured(f"{lonely[0]} is set, and {URL} is not.")
        return None
    issuer = Issuer(
        name=given["name"],
        issuer=given["issuer"],
        audience=_parts(given["audience"]),
        algorithms=_parts(given["algorithms"]) or ("RS256",),
        jwks_url=given["jwks_url"],
        id_claim=given["id_claim"] or "sub",
        roles_claim=given["roles_claim"],
        role_names=tuple(map(_translation, _parts(given["role_names"]))),
        bare_ids=not given["name"],
    )
    if problem := problem_of(issuer):
        name = SETTING_OF[problem.field]
        raise ImproperlyConfigured(f"{name}={given[problem.field]!r}: {problem.text}")
    for name, url in ((URL, issuer.issuer), (SETTING_OF["jwks_url"], issuer.jwks_url)):
        if url.startswith("http://") and _needs_tls(issuer):
            raise ImproperlyConfigured(f"{name}={url!r} must begin with https:// in production.")
    return issuer


def _needs_tls(issuer: Issuer) -> bool:
    """Whether its documents come over HTTPS alone. On this machine and in development they need not."""
    return conf.environment() == "production" and urlsplit(issuer.issuer).hostname not in LOOPBACK


def _translation(part: str) -> tuple[str, str]:
    theirs, equals, ours = part.rpartition("=")
    if not equals:
        raise ImproperlyConfigured(f"{SETTING_OF['role_names']}: {part!r} must be theirs=ours.")
    return theirs.strip(), ours.strip()


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _variable(name: str) -> str | None:
    return conf.variable(name, getattr(settings, "ATOLL_PROJECT", None))
