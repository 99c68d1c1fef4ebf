"""The signing keys: how they are made, encrypted and published."""

import base64
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from jwt.algorithms import RSAAlgorithm

from atoll import wire
from atoll.identity.tokens import ALGORITHM
from services.users.models import SigningKey

KEY_BITS = 2048
PURPOSE = b"atoll users signing keys v1"


def make_key(status: SigningKey.Status, now: datetime) -> SigningKey:
    """A new key, not saved; its id is the RFC 7638 thumbprint of the public half."""
    private = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    row = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    jwk = {"kty": row["kty"], "n": row["n"], "e": row["e"], "alg": ALGORITHM, "use": "sig"}
    kid = _thumbprint(jwk)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningKey(
        kid=kid,
        status=status,
        public_jwk={**jwk, "kid": kid},
        private_pem_encrypted=_cipher().encrypt(pem),
        created_at=now,
        activated_at=now if status == SigningKey.Status.CURRENT else None,
    )


def ensure_keys() -> None:
    """Make the first pair, current and next, unless there is one. Several processes may call it at once."""
    if SigningKey.objects.exclude(status=SigningKey.Status.RETIRED).exists():
        return
    now = timezone.now()
    pair = [make_key(SigningKey.Status.CURRENT, now), make_key(SigningKey.Status.NEXT, now)]
    try:
        with transaction.atomic():
            SigningKey.objects.bulk_create(pair)
    except IntegrityError:
        return  # Another process was faster.


def signing_key() -> tuple[str, RSAPrivateKey]:
    """The id and private half of the current key."""
    row = SigningKey.objects.filter(status=SigningKey.Status.CURRENT).first()
    if row is None:
        ensure_keys()
        row = SigningKey.objects.get(status=SigningKey.Status.CURRENT)
    return row.kid, _private_key(row.kid, bytes(row.private_pem_encrypted))


def public_key(kid: str) -> RSAPublicKey | None:
    """Any stored key, published or not: refresh tokens live longer than the publication of their key."""
    row = SigningKey.objects.filter(kid=kid).only("public_jwk").first()
    if row is None:
        return None
    key = RSAAlgorithm.from_jwk(row.public_jwk)
    return key if isinstance(key, RSAPublicKey) else None


def key_set() -> dict[str, Any]:
    """The JWK set (RFC 7517) for all verifiers of tokens."""
    ensure_keys()
    still_published = timezone.now() - SigningKey.PUBLISHED_AFTER_RETIRED
    rows = SigningKey.objects.filter(
        ~Q(status=SigningKey.Status.RETIRED) | Q(retired_at__gt=still_published)
    ).order_by("-created_at")
    return {"keys": [row.public_jwk for row in rows]}


@lru_cache(maxsize=4)
def _private_key(kid: str, encrypted: bytes) -> RSAPrivateKey:
    try:
        pem = _cipher().decrypt(encrypted)
    except InvalidToken:
        raise ImproperlyConfigured(
            f"Signing key {kid} was encrypted under another SECRET_KEY. "
            "Put the former one into USERS_SECRET_KEY_FALLBACK."
        ) from None
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ImproperlyConfigured(f"Signing key {kid} is not an RSA key.")
    return key


def _cipher() -> MultiFernet:
    return MultiFernet(
        [Fernet(_derive(secret)) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _derive(secret: str) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode())
    return base64.urlsafe_b64encode(key)


def _thumbprint(jwk: dict[str, str]) -> str:
    digest = Hash(SHA256())
    digest.update(wire.dumps({"e": jwk["e"], "kty": jwk["kty"], "n": jwk["n"]}))
    return base64.urlsafe_b64encode(digest.finalize()).rstrip(b"=").decode()
