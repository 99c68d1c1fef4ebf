"""The token battery: what ``verify`` accepts, and the many things that it must not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from atoll.identity import InvalidToken, Principal, verification, verify
from atoll.ids import uuid7
from atoll.testing import tokens

USER = uuid7()


@pytest.fixture(autouse=True)
def _only_the_test_key(atoll_trusted_test_key: None) -> Iterator[None]:
    verification.forget_keys()
    yield
    verification.forget_keys()


def good_claims(**changes: Any) -> dict[str, Any]:
    return {**tokens.claims(USER, roles=["staff"], email="ada@example.com", name="Ada"), **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in good_claims().items() if key != name}


def refused(token: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        verify(token)
    assert caught.value.status == 403
    assert caught.value.error == "Invalid or expired token"
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_an_access_token_proves_a_user() -> None:
    claims = good_claims()

    assert verify(tokens.sign(claims)) == Principal(
        id=str(USER),
        roles=frozenset({"support", "catalogue"}),
        kind="user",
        service=None,
        token_id=claims["jti"],
        email="ada@example.com",
        name="Ada",
    )


def test_a_service_token_proves_a_service_and_never_carries_roles() -> None:
    principal = verify(tokens.sign(tokens.claims("order-service", use="service", roles=["admin"])))

    assert (principal.kind, principal.id, principal.service) == ("service", "order-service", "order-service")
    assert not principal.roles
    assert not (principal.is_support or principal.is_catalogue or principal.is_operator)
    assert not principal.is_admin


@pytest.mark.parametrize(
    ("roles", "means"),
    [
        (["staff"], {"support", "catalogue"}),
        (["admin", "staff"], {"admin", "support", "catalogue"}),
        (["operator"], {"operator"}),
        (["Staff", "STAFF", "owner"], {"Staff", "STAFF", "owner"}),
    ],
)
def test_a_token_of_the_version_before_keeps_what_it_opened_and_opens_no_more(
    roles: list[str], means: set[str]
) -> None:
    principal = verify(tokens.access_token(roles=roles))

    assert principal.roles == means
    assert principal.is_operator is bool({"operator", "admin"} & means)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    refused(f"{part({'alg': algorithm, 'kid': tokens.TEST_KEY_ID})}.{part(good_claims())}.")
    refused(f"{part({'alg': algorithm, 'kid': tokens.TEST_KEY_ID})}.{part(good_claims())}.AAAA")


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() -> None:
    pem = (
        tokens.private_key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{part({'alg': 'HS256', 'kid': tokens.TEST_KEY_ID})}.{part(good_claims())}"
    mac = base64.urlsafe_b64encode(hmac.new(pem, signed.encode(), hashlib.sha256).digest()).rstrip(b"=")

    refused(f"{signed}.{mac.decode()}")


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_another_algorithm_under_the_right_key_is_refused(algorithm: str) -> None:
    refused(tokens.sign(good_claims(), algorithm=algorithm))


def test_a_token_of_another_key_under_our_key_id_is_refused() -> None:
    refused(tokens.sign(good_claims(), key=generate_private_key(public_exponent=65537, key_size=2048)))


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "sub", "jti", "token_use"])
def test_a_token_without_a_required_claim_is_refused(claim: str) -> None:
    refused(tokens.sign(without(claim)))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"iss": ""},
        {"aud": "another-platform"},
        {"aud": ["atoll"]},
        {"aud": ["atoll", "another-platform"]},
        {"token_use": "refresh"},
        {"token_use": "id"},
        {"token_use": ["access"]},
        {"sub": ""},
        {"sub": "not-a-uuid"},
        {"sub": 7},
        {"jti": 7},
        {"exp": "tomorrow"},
        {"roles": "admin"},
        {"roles": [["admin"]]},
        {"roles": ["r"] * 33},
        {"email": {"a": 1}},
        {"name": 7},
    ],
    ids=repr,
)
def test_a_token_with_a_claim_that_is_not_right_is_refused(changes: dict[str, Any]) -> None:
    refused(tokens.sign(good_claims(**changes)))


def test_a_service_token_names_a_well_formed_service() -> None:
    refused(tokens.sign(tokens.claims("Order Service", use="service")))
    refused(tokens.sign(tokens.claims("../users", use="service")))


def test_clocks_may_differ_by_half_a_minute_and_no_more() -> None:
    now = int(time.time())

    assert verify(tokens.sign(good_claims(exp=now - 20)))
    assert verify(tokens.sign(good_claims(iat=now + 20)))
    assert verify(tokens.sign(good_claims(nbf=now + 20)))
    refused(tokens.sign(good_claims(exp=now - 32)))
    refused(tokens.sign(good_claims(iat=now + 40)))
    refused(tokens.sign(good_claims(nbf=now + 40)))


def test_a_token_that_was_tampered_with_is_refused() -> None:
    head, body, signature = tokens.sign(good_claims()).split(".")
    admin = part(good_claims(roles=["admin"]))
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]

    for token in (
        f"{head}.{admin}.{signature}",
        f"{head}.{body}.{flipped}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}.{signature} ",
        f" {head}.{body}.{signature}",
        f"{head}.{body}.{signature}\n",
        f"{head}.{body}.{signature}=",
        f"{head}..{signature}",
        "..",
        "",
        "null",
        "é.é.é",
    ):
        refused(token)


@pytest.mark.parametrize(
    "kid",
    [
        "../../dev/null",
        "' OR 1=1 --",
        "x" * 10_000,
        "unknown",
        "",
        "http://example.com/key",
        7,
        None,
        ["test-key"],
    ],
    ids=lambda kid: repr(kid)[:30],
)
def test_a_key_id_is_only_ever_looked_up(kid: Any) -> None:
    signed = f"{part({'alg': 'RS256', 'kid': kid})}.{part(good_claims())}"
    signature = jwt.get_algorithm_by_name("RS256").sign(signed.encode(), tokens.private_key())

    refused(f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


def test_a_token_without_a_key_id_is_refused() -> None:
    refused(tokens.sign(good_claims(), headers={}))


def test_keys_that_the_token_brings_along_are_ignored() -> None:
    thief = generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(thief.public_key()))
    for header in ({"jwk": jwk}, {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/cert"}):
        refused(tokens.sign(good_claims(), key=thief, headers={"kid": tokens.TEST_KEY_ID, **header}))


def test_an_extension_that_must_be_understood_is_refused() -> None:
    refused(tokens.sign(good_claims(), headers={"kid": tokens.TEST_KEY_ID, "crit": ["exp"], "exp": 1}))
    refused(tokens.sign(good_claims(), headers={"kid": tokens.TEST_KEY_ID, "crit": []}))


def test_a_token_longer_than_8192_characters_is_refused_unread() -> None:
    refused(tokens.sign(good_claims(padding="x" * 8192)))


def test_deeply_nested_json_is_refused() -> None:
    nested = base64.urlsafe_b64encode(b"[" * 4000).rstrip(b"=").decode()

    refused(f"{nested}.{nested[:100]}.AAAA")


def test_another_issuer_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_ISSUER", "https://id.example.com")

    refused(tokens.sign(good_claims(iss="atoll")))
    assert verify(tokens.sign(good_claims(iss="https://id.example.com")))
