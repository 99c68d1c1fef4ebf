"""Finds the keys of an issuer by OpenID Connect Discovery 1.0."""

from dataclasses import dataclass
from typing import Any

from atoll.identity.foreign.issuers import Issuer
from atoll.identity.foreign.outside import NotFetched, Rules, fetch_json

DISCOVERY_PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Found:
    """``algorithms`` are those that the issuer says it signs with; empty without a discovery document."""

    jwks_url: str
    algorithms: tuple[str, ...]
    jwks: Any


def discovery_url(issuer: str) -> str:
    return issuer.removesuffix("/") + DISCOVERY_PATH


def discover(issuer: Issuer, rules: Rules) -> Found:
    """Fetch the discovery document, unless the row names the key set, and the key set.

    It blocks. Raises NotFetched.
    """
    if issuer.jwks_url:
        return Found(issuer.jwks_url, (), fetch_json(issuer.jwks_url, rules))
    url = discovery_url(issuer.issuer)
    document = fetch_json(url, rules)
    if not isinstance(document, dict) or document.get("issuer") != issuer.issuer:
        named = document.get("issuer") if isinstance(document, dict) else None
        raise NotFetched(f"{url} is the document of {str(named)[:200]!r}, not of {issuer.issuer!r}.")
    jwks_url = document.get("jwks_uri")
    if not isinstance(jwks_url, str):
        raise NotFetched(f"{url} names no key set (jwks_uri).")
    offered = document.get("id_token_signing_alg_values_supported")
    names = tuple(str(name) for name in offered) if isinstance(offered, list) else ()
    return Found(jwks_url, names, fetch_json(jwks_url, rules))
