"""The public keys of a foreign issuer: JWK sets with RSA, elliptic curve and Ed25519 keys."""

import re
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

KEY_ID = re.compile(r"[\x21-\x7e]{1,255}")
MAX_KEYS = 64
# Above 8192 bits one check would take longer than all the rest of a request.
RSA_BITS = range(2048, 8193)
RSA_ALGORITHMS = frozenset(("RS256", "RS384", "RS512", "PS256"))
CURVE_ALGORITHMS = {"secp256r1": frozenset(("ES256",)), "secp384r1": frozenset(("ES384",))}


@dataclass(frozen=True)
class SigningKey:
    """``algorithms`` are those that the form of the key, and its ``alg``, allow."""

    key: PublicKey
    algorithms: frozenset[str]


class UnusableKey(ValueError):
    """The text is a reason, such as "an RSA key of 1024 bits"."""


def read_signing_keys(document: Any) -> dict[str, SigningKey]:
    """The usable keys by ``kid``. Raises ValueError when there is none, or more than MAX_KEYS rows."""
    keys, refused = examine(document)
    if not keys:
        raise ValueError(f"the JWK set holds no usable key ({'; '.join(refused) or 'it is empty'})")
    return keys


def examine(document: Any) -> tuple[dict[str, SigningKey], list[str]]:
    """The usable keys, and for each other row the reason against it. Raises ValueError for no JWK set."""
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) > MAX_KEYS:
        raise ValueError("it is no JWK set")
    keys: dict[str, SigningKey] = {}
    refused: list[str] = []
    for row in rows:
        try:
            keys.setdefault(_key_id(row), _signing_key(row))
        except UnusableKey as reason:
            refused.append(str(reason))
    return keys, refused


def _key_id(row: Any) -> str:
    kid = row.get("kid") if isinstance(row, dict) else None
    if not isinstance(kid, str) or not KEY_ID.fullmatch(kid):
        raise UnusableKey("a key without an id")
    return kid


def _signing_key(row: dict[str, Any]) -> SigningKey:
    if row.get("use", "sig") != "sig":
        raise UnusableKey("a key that is not for signatures")
    key = _public_key(row)
    fitting = _algorithms(key)
    if row.get("alg") is not None:
        fitting &= {row["alg"]} if isinstance(row["alg"], str) else frozenset()
    if not fitting:
        raise UnusableKey(f"a key for {str(row.get('alg'))[:20]!r}")
    return SigningKey(key, fitting)


def _public_key(row: dict[str, Any]) -> Any:
    readers: dict[str, Any] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
    reader = readers.get(str(row.get("kty")))
    if reader is None:
        raise UnusableKey(f"a key of the kind {str(row.get('kty'))[:20]!r}")
    try:
        return reader.from_jwk(row)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise UnusableKey("a key that cannot be read") from error


def _algorithms(key: Any) -> frozenset[str]:
    if isinstance(key, RSAPublicKey):
        if key.key_size not in RSA_BITS:
            raise UnusableKey(f"an RSA key of {key.key_size} bits")
        return RSA_ALGORITHMS
    if isinstance(key, EllipticCurvePublicKey):
        return CURVE_ALGORITHMS.get(key.curve.name, frozenset())
    if isinstance(key, Ed25519PublicKey):
        return frozenset(("EdDSA",))
    raise UnusableKey("a key that is private or of an unknown kind")
