"""Tokens for tests, signed by a key that only the running test trusts. Uses no network.

Fixtures: ``atoll_token(user_id=..., roles=...)`` makes the text of a token, and
``atoll_as_user``, ``atoll_as_support``, ``atoll_as_catalogue``, ``atoll_as_operator``, ``atoll_as_admin`` and
``atoll_as_service`` make DRF clients that carry one; ``atoll_as_staff`` holds support and catalogue.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from atoll.identity.roles import ADMIN, CATALOGUE, OPERATOR, SUPPORT
from atoll.identity.tokens import ALGORITHM, AUDIENCE, issuer
from atoll.ids import uuid7

if TYPE_CHECKING:
    from rest_framework.test import APIClient

__all__ = ["access_token", "claims", "client_with", "jwks", "private_key", "service_access_token", "sign"]

TEST_KEY_ID = "test-key"
TOKEN_LIFE_S = 600


@cache
def private_key() -> RSAPrivateKey:
    """The key of this test run, kept in memory only."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def jwks() -> dict[str, Any]:
    """The key set that ``trusted_test_key`` makes the process trust."""
    row = RSAAlgorithm.to_jwk(private_key().public_key(), as_dict=True)
    return {"keys": [row | {"kid": TEST_KEY_ID, "alg": ALGORITHM, "use": "sig"}]}


def sign(
    claims: dict[str, Any],
    *,
    key: Any = None,
    headers: dict[str, Any] | None = None,
    algorithm: str = ALGORITHM,
) -> str:
    """A token with exactly these claims, valid or not."""
    return jwt.encode(
        claims,
        private_key() if key is None else key,
        algorithm=algorithm,
        headers={"kid": TEST_KEY_ID} if headers is None else headers,
    )


def claims(sub: UUID | str, *, use: str = "access", **more: Any) -> dict[str, Any]:
    """The required claims, valid for ten minutes from now."""
    now = int(time.time())
    return {
        "iss": issuer(),
        "aud": AUDIENCE,
        "sub": str(sub),
        "iat": now,
        "exp": now + TOKEN_LIFE_S,
        "jti": str(uuid7()),
        "token_use": use,
        **more,
    }


def access_token(
    user_id: UUID | str | None = None,
    roles: tuple[str, ...] | list[str] = (),
    email: str = "ada@example.com",
    name: str = "Ada Lovelace",
) -> str:
    """A valid token of a user. A new user id is made up without ``user_id``."""
    return sign(claims(user_id or uuid7(), roles=list(roles), email=email, name=name))


def service_access_token(service: str) -> str:
    """A valid token of a service."""
    return sign(claims(service, use="service"))


@pytest.fixture
def atoll_trusted_test_key(settings: Any) -> None:
    """Make the test trust ``private_key()`` and no other. Uses no network."""
    settings.ATOLL_JWKS_FETCH = "atoll.testing.tokens.jwks"


@pytest.fixture
def atoll_token(atoll_trusted_test_key: None) -> Callable[..., str]:
    """``atoll_token(user_id=None, roles=(), email=..., name=...)``: an access token."""
    return access_token


def client_with(token: str) -> APIClient:
    """A DRF client that sends this token."""
    # DRF reads the settings at its import; pytest loads this module before they are known.
    from rest_framework.test import APIClient

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def _member(user_id: UUID | str | None, *roles: str) -> APIClient:
    return client_with(access_token(user_id, roles, email="staff@example.com", name="Stan Staff"))


@pytest.fixture
def atoll_as_user(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    """``atoll_as_user(user_id=None, roles=(), ...)``: a client signed in as that user."""

    def make(user_id: UUID | str | None = None, **more: Any) -> APIClient:
        return client_with(access_token(user_id, **more))

    return make


@pytest.fixture
def atoll_as_staff(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    def make(user_id: UUID | str | None = None) -> APIClient:
        return _member(user_id, SUPPORT, CATALOGUE)

    return make


@pytest.fixture
def atoll_as_support(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    def make(user_id: UUID | str | None = None) -> APIClient:
        return _member(user_id, SUPPORT)

    return make


@pytest.fixture
def atoll_as_catalogue(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    def make(user_id: UUID | str | None = None) -> APIClient:
        return _member(user_id, CATALOGUE)

    return make


@pytest.fixture
def atoll_as_operator(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    def make(user_id: UUID | str | None = None) -> APIClient:
        return _member(user_id, OPERATOR)

    return make


@pytest.fixture
def atoll_as_admin(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    def make(user_id: UUID | str | None = None) -> APIClient:
        return client_with(access_token(user_id, [ADMIN], email="admin@example.com", name="Ann Admin"))

    return make


@pytest.fixture
def atoll_as_service(atoll_trusted_test_key: None) -> Callable[..., APIClient]:
    """``atoll_as_service("order-service")``: a client with that service's token."""

    def make(service: str = "order-service") -> APIClient:
        return client_with(service_access_token(service))

    return make
