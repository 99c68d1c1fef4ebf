"""Tokens of foreign issuers: which are good, whom they name, and what the gateway fetches."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from atoll.addresses import networks
from atoll.identity.foreign.outside import Rules
from atoll.testing.identity_provider import (
    AUTH0,
    BAD_TOKENS,
    DISCOVERY,
    ENTRA,
    KEYCLOAK,
    KEYS,
    IdentityProvider,
    private_keys,
)
from atoll.testing.tokens import access_token
from gateway.tests.harness import Answer, Gateway, row, table, until
from gateway.tests.upstream import Upstream

LOOPBACK = Rules(networks("127.0.0.0/8"), allow_http=True)
ROUTES = (
    row("mine", "/mine", access="signed_in"),
    row("staff", "/staff", access="staff", roles=["operator"]),
    row("open", "/open"),
)


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture
def make(make_gateway: Callable[..., Gateway]) -> Callable[..., Gateway]:
    """``make(*issuers, **config)``: a gateway that trusts them."""

    def make(*issuers: dict[str, Any], **config: Any) -> Gateway:
        gateway = make_gateway(*ROUTES, **{"issuer_rules": LOOPBACK, **config})
        gateway.publish(table(*ROUTES, version=2) | {"issuers": [*issuers]})
        return gateway

    return make


def ask(gateway: Gateway, token: str, target: str = "/mine/x") -> Answer:
    return gateway.request("GET", target, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    ("claims", "roles_claim", "id_claim", "user"),
    [
        (KEYCLOAK, "realm_access.roles", "sub", "shop:3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11"),
        (AUTH0, "https://shop.example.com/roles", "sub", "shop:auth0|6650f1c1a0b2c3d4e5f60718"),
        (ENTRA, "roles", "oid", "shop:690222be-ff1a-4d56-abd1-7e4f7d38e474"),
    ],
    ids=["Keycloak", "Auth0", "Entra ID"],
)
def test_the_claims_of_known_products_become_an_id_and_our_roles(
    make: Callable[..., Gateway],
    upstream: Upstream,
    provider: IdentityProvider,
    claims: dict[str, Any],
    roles_claim: str,
    id_claim: str,
    user: str,
) -> None:
    names = {"shop-operator": "operator"}
    gateway = make(provider.row(roles_claim=roles_claim, id_claim=id_claim, role_names=names))

    assert ask(gateway, provider.token(**claims), "/staff/x").status == 200
    assert upstream.seen[-1].header("x-user-id") == user
    assert upstream.seen[-1].header("x-user-roles") == '["operator"]'


def test_a_role_that_nobody_translates_opens_nothing(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row(roles_claim="roles", role_names={"cook": "catalogue"}))

    for given in (["operator"], ["admin"], ["cook"], "admin operator", {"operator": True}, [["operator"]], 7):
        assert ask(gateway, provider.token(roles=given), "/staff/x").status == 403
        assert ask(gateway, provider.token(roles=given)).status == 200


@pytest.mark.parametrize(
    ("kid", "algorithm"),
    [
        ("rsa", "RS256"),
        ("rsa", "RS384"),
        ("rsa", "RS512"),
        ("rsa", "PS256"),
        ("p256", "ES256"),
        ("p384", "ES384"),
        ("ed25519", "EdDSA"),
    ],
)
def test_every_algorithm_is_good_only_where_it_was_chosen(
    make: Callable[..., Gateway], provider: IdentityProvider, kid: str, algorithm: str
) -> None:
    token = provider.token(kid, algorithm)
    gateway = make(provider.row(algorithms=[algorithm]))
    assert ask(gateway, token).status == 200

    other = "ES384" if algorithm != "ES384" else "RS256"
    gateway.publish(table(*ROUTES, version=3) | {"issuers": [provider.row(algorithms=[other])]})
    assert ask(gateway, token).status == 403


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_403_and_reaches_nobody(
    make: Callable[..., Gateway], upstream: Upstream, provider: IdentityProvider, kind: str
) -> None:
    gateway = make(provider.row())
    answer = ask(gateway, BAD_TOKENS[kind](provider))

    assert (answer.status, answer.json()["code"]) == (403, "invalid_token")
    assert upstream.of("/mine") == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("Ada Lovelace", "shop:Ada%20Lovelace"),
        ("google-oauth2|117", "shop:google-oauth2|117"),
        ("100%", "shop:100%25"),
        ("Åda", "shop:%C3%85da"),
        ("a" * 255, "shop:" + "a" * 255),
    ],
)
def test_an_id_reaches_the_service_in_characters_that_a_header_may_hold(
    make: Callable[..., Gateway], upstream: Upstream, provider: IdentityProvider, given: str, sent: str
) -> None:
    gateway = make(provider.row())

    assert ask(gateway, provider.token(sub=given)).status == 200
    assert upstream.seen[-1].header("x-user-id") == sent


def test_ids_stand_alone_only_where_that_was_chosen(
    make: Callable[..., Gateway], upstream: Upstream, provider: IdentityProvider
) -> None:
    assert ask(make(provider.row(bare_ids=True)), provider.token()).status == 200
    assert upstream.seen[-1].header("x-user-id") == "ada"


def test_each_issuer_is_believed_with_its_own_keys_only(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    other = IdentityProvider()
    other.publish("other-rsa")
    try:
        gateway = make(provider.row(), other.row(name="other"))

        assert ask(gateway, provider.token()).status == 200
        assert ask(gateway, other.token("other-rsa")).status == 200
        assert ask(gateway, provider.token("other-rsa")).status == 403
        assert ask(gateway, other.token()).status == 403
    finally:
        other.close()


def test_our_own_tokens_go_on_beside_foreign_ones(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row())

    assert ask(gateway, access_token()).status == 200
    assert ask(gateway, provider.token()).status == 200


def test_an_unknown_issuer_is_403_and_nobody_is_asked(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row())
    assert ask(gateway, provider.token()).status == 200
    asked = len(provider.asked)

    for issuer in ("https://evil.test", provider.issuer + "/", provider.origin, "", None):
        assert ask(gateway, provider.token(iss=issuer)).status == 403
    assert len(provider.asked) == asked


def test_unknown_keys_make_the_issuer_be_asked_once_and_not_more(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row())
    assert ask(gateway, provider.token()).status == 200

    for number in range(20):
        token = jwt.encode(
            provider.claims(), private_keys()["other-rsa"], "RS256", headers={"kid": f"made-up-{number}"}
        )
        assert ask(gateway, token).status == 403
    assert provider.asked.count(KEYS) == 2


def test_a_new_key_is_found_and_an_old_one_forgotten_when_the_issuer_rotates(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row())
    old = provider.token()
    assert ask(gateway, old).status == 200

    provider.publish("other-rsa")
    assert ask(gateway, provider.token("other-rsa")).status == 200
    assert ask(gateway, old).status == 403


def test_an_issuer_that_is_away_signs_nobody_out_even_after_a_restart(
    make: Callable[..., Gateway], provider: IdentityProvider, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    assert ask(make(provider.row(), home=home), provider.token()).status == 200
    until(lambda: [*(home / "gateway" / "issuers").glob("*.json")])
    provider.close()

    assert ask(make(provider.row(), home=home), provider.token()).status == 200


def test_an_issuer_without_any_keys_is_503_for_its_own_tokens_only(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    provider.documents.clear()
    gateway = make(provider.row())
    answer = ask(gateway, provider.token())

    assert (answer.status, answer.json()["code"]) == (503, "service_unavailable")
    assert answer.json()["details"] == {"service": "shop"}
    assert ask(gateway, access_token()).status == 200
    assert ask(gateway, provider.token(), "/open/x").status == 200
    assert "shop" in gateway.get("/health").body.decode()


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.test", "jwks_uri": "KEYS"},
        {"jwks_uri": "KEYS"},
        {"issuer": "ISSUER"},
        {"issuer": "ISSUER", "jwks_uri": 7},
        {"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "ISSUER", "jwks_uri": "http://169.254.169.254/keys"},
        ["ISSUER"],
        (302, {"Location": "KEYS"}),
        b"x" * 300_000,
        b"{",
    ],
)
def test_a_discovery_document_that_is_not_the_issuers_gives_no_keys(
    make: Callable[..., Gateway], provider: IdentityProvider, document: Any
) -> None:
    places = {"ISSUER": provider.issuer, "KEYS": f"{provider.origin}{KEYS}"}
    if isinstance(document, dict):
        document = {name: places.get(str(value), value) for name, value in document.items()}
    provider.documents[DISCOVERY] = document
    gateway = make(provider.row())

    assert ask(gateway, provider.token()).status == 503
    assert KEYS not in provider.asked


def test_a_key_set_that_the_table_names_needs_no_discovery(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row(jwks_url=f"{provider.origin}{KEYS}"))

    assert ask(gateway, provider.token()).status == 200
    assert {*provider.asked} == {KEYS}


@pytest.mark.parametrize(
    "rules", [Rules(allow_http=True), Rules(networks("127.0.0.0/8"))], ids=["private", "without TLS"]
)
def test_nothing_is_fetched_from_a_place_that_is_not_allowed(
    make: Callable[..., Gateway], provider: IdentityProvider, rules: Rules
) -> None:
    gateway = make(provider.row(), issuer_rules=rules)

    assert ask(gateway, provider.token()).status == 503
    assert provider.asked == []


def test_an_issuer_that_is_withdrawn_is_not_believed_any_more(
    make: Callable[..., Gateway], provider: IdentityProvider
) -> None:
    gateway = make(provider.row())
    token = provider.token()
    assert ask(gateway, token).status == 200

    gateway.publish(table(*ROUTES, version=3))
    assert ask(gateway, token).status == 403


def test_a_remembered_token_costs_no_signature_check(
    make: Callable[..., Gateway], provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = make(provider.row())
    short, long = provider.token(), provider.token(groups=["g" * 36] * 100)
    assert [ask(gateway, token).status for token in (short, long)] == [200, 200]

    def never(*args: object) -> None:
        raise AssertionError("verified again")

    monkeypatch.setattr("atoll.identity.foreign.tokens.principal_of", never)
    assert [ask(gateway, token).status for token in (short, long)] == [200, 200]
