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

from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.conf import options
from atoll.conf.option import Option
from atoll.identity.foreign.discovery import discover
from atoll.identity.foreign.issuers import Issuer, problem_of
from atoll.identity.foreign.outside import Rules
from atoll.identity.foreign.signing_keys import SigningKey, read_signing_keys
from atoll.identity.jwks import KeySetOf
from atoll.identity.key_source import KeySourceOf

OPTION_OF: dict[str, Option[Any]] = {
    "name": options.ISSUER_NAME,
    "issuer": options.ISSUER_URL,
    "jwks_url": options.ISSUER_JWKS_URL,
    "audience": options.ISSUER_AUDIENCE,
    "algorithms": options.ISSUER_ALGORITHMS,
    "id_claim": options.ISSUER_ID_CLAIM,
    "roles_claim": options.ISSUER_ROLES_CLAIM,
    "role_names": options.ISSUER_ROLES,
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
    project = conf.project_name()
    if options.ISSUER_URL.given(project) is None:
        for option in OPTION_OF.values():
            if given := option.given(project):
                raise ImproperlyConfigured(f"{given.place} is set, and {options.ISSUER_URL.variable} is not.")
        return None
    issuer = Issuer(
        name=options.ISSUER_NAME.value(project),
        issuer=options.ISSUER_URL.value(project),
        audience=options.ISSUER_AUDIENCE.value(project),
        algorithms=options.ISSUER_ALGORITHMS.value(project),
        jwks_url=options.ISSUER_JWKS_URL.value(project),
        id_claim=options.ISSUER_ID_CLAIM.value(project),
        roles_claim=options.ISSUER_ROLES_CLAIM.value(project),
        role_names=tuple(map(_translation, options.ISSUER_ROLES.value(project))),
        bare_ids=not options.ISSUER_NAME.value(project),
    )
    if problem := problem_of(issuer):
        raise ImproperlyConfigured(f"{_written(problem.field, project)}: {problem.text}")
    for field, url in (("issuer", issuer.issuer), ("jwks_url", issuer.jwks_url)):
        if url.startswith("http://") and _needs_tls(issuer):
            raise ImproperlyConfigured(
                f"{_written(field, project)}: it must begin with https:// in production."
            )
    return issuer


def _written(field: str, project: str) -> str:
    """The setting of a field as somebody wrote it."""
    option = OPTION_OF[field]
    given = option.given(project)
    return f"{given.place}={given.value!r}" if given else f"{option.variable} is not set"


def _needs_tls(issuer: Issuer) -> bool:
    """Whether its documents come over HTTPS alone. On this machine and in development they need not."""
    return conf.environment() == "production" and urlsplit(issuer.issuer).hostname not in LOOPBACK


def _translation(part: str) -> tuple[str, str]:
    theirs, equals, ours = part.rpartition("=")
    if not equals:
        raise ImproperlyConfigured(f"{options.ISSUER_ROLES.variable}: {part!r} must be theirs=ours.")
    return theirs.strip(), ours.strip()
