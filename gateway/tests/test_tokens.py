"""Valid and invalid bearer tokens, and the keys that verify them."""

import time
from collections.abc import Callable

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from atoll.testing.tokens import TEST_KEY_ID, access_token, claims, private_key, service_access_token, sign
from gateway.tests.harness import Answer, Gateway, row, until
from gateway.tests.upstream import Upstream

USER = "0197f1c0-0000-7000-8000-000000000001"
PUBLIC_PEM = (
    private_key()
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)


def hs256_with_public_key() -> str:
    import base64
    import hashlib
    import hmac
    import json

    def part(value: dict) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "kid": TEST_KEY_ID}) + b"." + part(claims(USER, roles=["admin"]))
    mac = hmac.new(PUBLIC_PEM, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def without(claim: str) -> str:
    return sign({name: value for name, value in claims(USER, roles=[]).items() if name != claim})


STRANGER = generate_private_key(public_exponent=65537, key_size=2048)
BAD = {
    "expired": lambda: sign(claims(USER, roles=[]) | {"exp": int(time.time()) - 60}),
    "other issuer": lambda: sign(claims(USER, roles=[]) | {"iss": "elsewhere"}),
    "other audience": lambda: sign(claims(USER, roles=[]) | {"aud": "elsewhere"}),
    "no expiry": lambda: without("exp"),
    "no id": lambda: without("jti"),
    "refresh token": lambda: sign(claims(USER, use="refresh")),
    "none": lambda: jwt.encode(claims(USER), None, algorithm="none", headers={"kid": TEST_KEY_ID}),
    "hs256 with the public key": hs256_with_public_key,
    "signed by a stranger": lambda: sign(claims(USER, roles=["admin"]), key=STRANGER),
    "unknown kid": lambda: sign(claims(USER), headers={"kid": "unknown"}),
    "path as kid": lambda: sign(claims(USER), headers={"kid": "../../dev/null"}),
    "critical extension": lambda: sign(claims(USER), headers={"kid": TEST_KEY_ID, "crit": ["x"], "x": 1}),
    "no signature": lambda: access_token(USER).rsplit(".", 1)[0] + ".",
    "four parts": lambda: access_token(USER) + ".x",
    "rubbish": lambda: "rubbish",
    "empty": lambda: "",
}


def bearer(gateway: Gateway, target: str, token: str, method: str = "GET") -> Answer:
    return gateway.request(method, target, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_403_and_reaches_nobody(gateway: Gateway, upstream: Upstream, kind: str) -> None:
    answer = bearer(gateway, "/mine/x", BAD[kind]())

    assert (answer.status, answer.json()["error"]) == (403, "Invalid or expired token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="atoll", error="invalid_token"'
    assert upstream.of("/orders") == []


def test_no_token_is_401(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.get("/mine/x")

    assert (answer.status, answer.json()["error"]) == (401, "Access token required")
    assert answer.headers["www-authenticate"] == 'Bearer realm="atoll"'
    assert upstream.of("/orders") == []


def test_two_authorization_fields_are_believed_neither(gateway: Gateway, upstream: Upstream) -> None:
    token = access_token(USER)
    answer = gateway.raw(
        f"GET /mine/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
        + b"Authorization: Bearer x\r\n\r\n"
    )
    assert answer.status == 403


def test_a_good_token_passes_and_the_service_gets_it_to_verify_itself(
    gateway: Gateway, upstream: Upstream
) -> None:
    token = access_token(USER)

    assert bearer(gateway, "/mine/x", token).status == 200
    assert upstream.seen[-1].header("authorization") == f"Bearer {token}"
    assert upstream.seen[-1].header("x-user-id") == USER


@pytest.mark.parametrize(
    ("roles", "method", "target", "status"),
    [
        ([], "GET", "/staff/x", 403),
        (["operator"], "GET", "/staff/x", 200),
        (["support", "catalogue"], "GET", "/staff/x", 403),
        (["staff"], "GET", "/staff/x", 403),
        (["admin"], "DELETE", "/staff/x", 200),
        ([], "GET", "/shop/x", 200),
        ([], "POST", "/shop/x", 403),
        (["catalogue"], "POST", "/shop/x", 200),
        (["staff"], "POST", "/shop/x", 200),
        (["support", "operator"], "POST", "/shop/x", 403),
    ],
)
def test_roles_open_what_they_should(
    gateway: Gateway, roles: list[str], method: str, target: str, status: int
) -> None:
    assert bearer(gateway, target, access_token(USER, roles), method).status == status


def test_a_service_is_no_staff_and_no_user(gateway: Gateway, upstream: Upstream) -> None:
    token = service_access_token("order-service")

    assert bearer(gateway, "/staff/x", token).status == 403
    assert bearer(gateway, "/mine/x", token).status == 200
    assert upstream.seen[-1].header("x-user-id") is None


def test_what_is_open_stays_open_with_a_stale_token(gateway: Gateway, upstream: Upstream) -> None:
    assert bearer(gateway, "/shop/x", BAD["expired"]()).status == 200
    assert upstream.seen[-1].header("x-user-id") is None
    assert bearer(gateway, "/shop/x", BAD["expired"](), "POST").status == 403


def test_unknown_keys_make_users_be_asked_once_and_not_more(gateway: Gateway, upstream: Upstream) -> None:
    assert bearer(gateway, "/mine/x", access_token(USER)).status == 200
    for number in range(20):
        bearer(gateway, "/mine/x", sign(claims(USER), headers={"kid": f"made-up-{number}"}))
    assert len(upstream.of("/.well-known/jwks.json")) == 2


def test_a_repeated_token_costs_no_signature_check(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    token = access_token(USER)
    assert bearer(gateway, "/mine/x", token).status == 200

    def never(*args: object) -> None:
        raise AssertionError("verified again")

    monkeypatch.setattr("gateway.edge.authenticate.principal_of", never)
    assert [bearer(gateway, "/mine/x", token).status for _ in range(3)] == [200] * 3


def test_a_remembered_token_is_forgotten_with_its_key(gateway: Gateway) -> None:
    from jwt.algorithms import RSAAlgorithm

    token = access_token(USER)
    assert bearer(gateway, "/mine/x", token).status == 200
    other = RSAAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)
    keys = gateway.components.authenticator._own_keys
    gateway.run(lambda: keys.accept({"keys": [other | {"kid": "new", "alg": "RS256", "use": "sig"}]}))
    gateway.knows("user-service")

    assert bearer(gateway, "/mine/x", token).status == 403


def test_without_any_key_a_token_is_503_and_open_routes_still_work(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway(row("mine", "/mine", access="signed_in"), row("open", "/open"))
    gateway.knows("user-service")

    assert bearer(gateway, "/mine/x", access_token(USER)).status == 503
    assert bearer(gateway, "/open/x", access_token(USER)).status == 200
    assert until(lambda: gateway.get("/mine/x").status) == 401


def test_a_revoked_token_is_refused_within_seconds_and_a_later_one_is_good(
    gateway: Gateway, upstream: Upstream
) -> None:
    token = access_token(USER)
    assert bearer(gateway, "/mine/x", token).status == 200
    upstream.revoked[f"sub:{USER}"] = [int(time.time()), True]

    asked = time.monotonic()
    until(lambda: bearer(gateway, "/mine/x", token).status == 403)
    assert time.monotonic() - asked < 5

    later = sign(claims(USER, roles=[]) | {"iat": int(time.time()) + 1})
    upstream.revoked[f"sub:{USER}"] = [int(time.time()) - 1, True]
    assert bearer(gateway, "/mine/x", later).status == 200


def test_one_sign_in_is_refused_and_another_of_the_same_person_is_not(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.revoked["sid:one"] = [int(time.time()), False]
    one, two = (sign(claims(USER, roles=[], sid=session)) for session in ("one", "two"))

    assert bearer(gateway, "/mine/x", one).status == 403
    assert bearer(gateway, "/mine/x", two).status == 200
    assert bearer(gateway, "/open/x", one).status == 200
