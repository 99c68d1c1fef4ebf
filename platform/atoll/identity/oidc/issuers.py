"""The two kinds of issuers: users of this platform, and one outside."""

from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey


class Refused(Exception):
    """The issuer refused the code: it is used, expired, or of another client, address or verifier."""


class Issuer(Protocol):
    """An issuer as a client uses it. Every method raises Unavailable when the issuer gives no answer."""

    @property
    def name(self) -> str:
        """The ``iss`` of its tokens."""

    def authorization_endpoint(self) -> str:
        """Where browsers sign in. Raises Unavailable, so that no browser is sent to a dead address."""

    def end_session_endpoint(self) -> str | None:
        """Where browsers sign out; None for an issuer without that."""

    def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        """The ID token for a code. Raises Refused."""

    def find_key(self, kid: str) -> RSAPublicKey | None:
        """The published key with that id."""


def id_token_of(answer: Any) -> str:
    """The ID token in an answer of a token endpoint. Raises Refused."""
    token = answer.get("id_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise Refused("the answer has no ID token")
    return token
