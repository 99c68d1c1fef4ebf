"""Access tokens of an issuer of one's own at a service: which are good, and whom they name."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView, exception_handler

from atoll.errors import Unavailable
from atoll.identity import InvalidToken, Principal, service_token, verification, verify
from atoll.identity.drf import BearerAuthentication, IsSignedIn, SignInNeeded, principal
from atoll.identity.foreign import trusted as settings_of_issuer
from atoll.testing import tokens
from atoll.testing.identity_provider import (
    AUDIENCE,
    AUTH0,
    BAD_TOKENS,
    DISCOVERY,
    ENTRA,
    KEYCLOAK,
    KEYS,
    IdentityProvider,
    private_keys,
)

NOW = int(time.time())


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    verification.forget_keys()
    yield
    verification.forget_keys()


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture
def use(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``use(ROLES_CLAIM="roles")``: trust the provider, with these settings besides."""

    def use(**more: str) -> None:
        for name, value in {"URL": provider.issuer, "AUDIENCE": AUDIENCE, **more}.items():
            monkeypatch.setenv(f"ISSUER_{name}", value)
        verification.forget_keys()

    return use


def refused(token: str) -> None:
    with pytest.raises(InvalidToken) as told:
        verify(token)
    assert (told.value.status, told.value.code) == (403, "invalid_token")


@pytest.mark.parametrize(
    ("claims", "settings", "user", "roles"),
    [
        (
            KEYCLOAK,
            {"ROLES_CLAIM": "realm_access.roles", "ROLES": "shop-operator=operator"},
            "3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11",
            {"operator"},
        ),
        (
            KEYCLOAK,
            {"ROLES_CLAIM": "resource_access.shop.web.roles", "ROLES": "cook=catalogue"},
            "3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11",
            {"catalogue"},
        ),
        (
            AUTH0,
            {"ROLES_CLAIM": "https://shop.example.com/roles", "ROLES": "shop-operator=operator"},
            "auth0|6650f1c1a0b2c3d4e5f60718",
            {"operator"},
        ),
        (
            AUTH0,
            {"ROLES_CLAIM": "permissions", "ROLES": "read:orders=support, write:orders=admin"},
            "auth0|6650f1c1a0b2c3d4e5f60718",
            {"support"},
        ),
        (
            AUTH0,
            {"ROLES_CLAIM": "scope", "ROLES": "profile=reader"},
            "auth0|6650f1c1a0b2c3d4e5f60718",
            {"reader"},
        ),
        (
            ENTRA,
            {"ROLES_CLAIM": "roles", "ROLES": "shop-operator=operator", "ID_CLAIM": "oid"},
            "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            {"operator"},
        ),
        (
            ENTRA,
            {"ROLES_CLAIM": "scp", "ROLES": "access_as_user=support"},
            "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            {"support"},
        ),
    ],
    ids=["Keycloak realm", "Keycloak client", "Auth0 roles", "Auth0 permissions", "Auth0 scope",
         "Entra roles", "Entra scp"],
)  # fmt: skip
def test_the_claims_of_known_products_become_an_id_and_roles(
    provider: IdentityProvider,
    use: Callable[..., None],
    claims: dict[str, Any],
    settings: dict[str, str],
    user: str,
    roles: set[str],
) -> None:
    use(**settings)
    shown = verify(provider.token(**claims))

    assert (shown.id, shown.roles, shown.kind, shown.issuer) == (user, roles, "user", provider.issuer)
    assert shown.is_operator is ("operator" in roles)


def test_a_request_with_a_foreign_token_has_its_user(
    provider: IdentityProvider, use: Callable[..., None]
) -> None:
    use()
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {provider.token(sub='ada')}")
    request._request = request  # type: ignore[attr-defined]
    authenticated = BearerAuthentication().authenticate(request)  # type: ignore[arg-type]

    assert authenticated is not None
    assert authenticated[0].id == "ada"
    request.user = authenticated[0]
    assert IsSignedIn().has_permission(request, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused(provider: IdentityProvider, use: Callable[..., None], kind: str) -> None:
    use()
    assert verify(provider.token()).id == "ada"

    refused(BAD_TOKENS[kind](provider))
    assert {*provider.asked} == {DISCOVERY, KEYS}


@pytest.mark.parametrize(
    ("aud", "is_good"),
    [
        (AUDIENCE, True),
        (["other", AUDIENCE], True),
        (["other"], False),
        ([], False),
        ("https://api.shop.test/", False),
        ({AUDIENCE: True}, False),
        ([7], False),
    ],
)
def test_one_of_the_audiences_must_be_ours(
    provider: IdentityProvider, use: Callable[..., None], aud: Any, is_good: bool
) -> None:
    use()
    if is_good:
        assert verify(provider.token(aud=aud)).id == "ada"
    else:
        refused(provider.token(aud=aud))


@pytest.mark.parametrize(("kid", "algorithm"), [("rsa", "PS256"), ("p256", "ES256"), ("ed25519", "EdDSA")])
def test_another_algorithm_is_good_where_it_was_chosen_alone(
    provider: IdentityProvider, use: Callable[..., None], kid: str, algorithm: str
) -> None:
    token = provider.token(kid, algorithm)
    use()
    refused(token)
    use(ALGORITHMS=f"RS256,{algorithm}")
    assert verify(token).id == "ada"


def test_a_flood_of_unknown_keys_asks_the_issuer_once_in_a_minute(
    provider: IdentityProvider, use: Callable[..., None]
) -> None:
    use()
    assert verify(provider.token()).id == "ada"
    for number in range(30):
        refused(
            jwt.encode(provider.claims(), private_keys()["rsa"], "RS256", headers={"kid": f"no-{number}"})
        )

    assert provider.asked.count(KEYS) == 2


def test_a_new_key_is_found_and_a_withdrawn_one_forgotten(
    provider: IdentityProvider, use: Callable[..., None]
) -> None:
    use()
    old = provider.token()
    assert verify(old).id == "ada"

    provider.publish("other-rsa")
    assert verify(provider.token("other-rsa")).id == "ada"
    refused(old)


def test_a_remembered_token_costs_no_signature_check(
    provider: IdentityProvider, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use()
    token = provider.token()
    assert verify(token).id == "ada"

    def never(*args: object) -> None:
        raise AssertionError("verified again")

    monkeypatch.setattr("atoll.identity.foreign.tokens.principal_of", never)
    assert verify(token).id == "ada"


def test_an_issuer_that_is_away_signs_nobody_out_even_after_a_restart(
    provider: IdentityProvider, use: Callable[..., None]
) -> None:
    use()
    assert verify(provider.token()).id == "ada"
    provider.close()

    verification.forget_keys()
    assert verify(provider.token()).id == "ada"


def test_an_issuer_without_keys_is_an_outage_and_no_refusal(
    provider: IdentityProvider, use: Callable[..., None]
) -> None:
    provider.documents.clear()
    use()

    with pytest.raises(Unavailable, match="public keys"):
        verify(provider.token())


@pytest.mark.parametrize("issuer", ["https://evil.test", "", None])
def test_the_only_issuer_is_the_only_one(
    provider: IdentityProvider, use: Callable[..., None], atoll_trusted_test_key: None, issuer: Any
) -> None:
    use()
    refused(provider.token(iss=issuer))
    refused(provider.token(iss=provider.issuer + "/"))
    refused(tokens.access_token())
    assert provider.asked == []


def test_beside_users_an_id_carries_the_name_of_its_issuer(
    provider: IdentityProvider, use: Callable[..., None], atoll_trusted_test_key: None
) -> None:
    use(NAME="keycloak")

    assert verify(provider.token(sub="3d1f")).id == "keycloak:3d1f"
    assert verify(tokens.access_token(roles=["support"])).is_support
    assert verify(tokens.service_access_token("order-service")).is_service


@pytest.mark.parametrize(
    ("sub", "shown"),
    [
        ("google-oauth2|117", "google-oauth2|117"),
        ("a" * 255, "a" * 255),
        ("Ada Lovelace", "Ada%20Lovelace"),
        ("Åda", "%C3%85da"),
    ],
)
def test_an_id_may_be_any_text_of_255_characters(
    provider: IdentityProvider, use: Callable[..., None], sub: str, shown: str
) -> None:
    use()
    assert verify(provider.token(sub=sub)).id == shown


def test_an_id_longer_than_255_characters_is_refused_as_it_would_be_stored(
    provider: IdentityProvider, use: Callable[..., None]
) -> None:
    use()
    refused(provider.token(sub="a" * 256))
    refused(provider.token(sub="Å" * 50))


@pytest.mark.parametrize(
    "given",
    [["admin"], "admin operator", {"admin": True}, [["admin"]], 7, None, ["shop-admins"]],
    ids=repr,
)
def test_a_role_that_nobody_translates_opens_nothing(
    provider: IdentityProvider, use: Callable[..., None], given: Any
) -> None:
    use(ROLES_CLAIM="roles", ROLES="shop-admin=admin")

    assert verify(provider.token(roles=given)).roles == frozenset()
    assert verify(provider.token(roles=["x", "shop-admin"])).is_admin


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"URL": "id.example"}, "ISSUER_URL"),
        ({"URL": "https://id.example/?realm=shop"}, "ISSUER_URL="),
        ({"URL": "http://id.example/realms/shop"}, "ISSUER_URL="),
        ({"URL": ""}, "ISSUER_AUDIENCE is set, and ISSUER_URL is not"),
        ({"AUDIENCE": ""}, "ISSUER_AUDIENCE is not set"),
        ({"AUDIENCE": "a," * 21}, "ISSUER_AUDIENCE="),
        ({"ALGORITHMS": "HS256"}, "ISSUER_ALGORITHMS="),
        ({"ALGORITHMS": "none"}, "ISSUER_ALGORITHMS="),
        ({"JWKS_URL": "file:///etc/passwd"}, "ISSUER_JWKS_URL"),
        ({"ID_CLAIM": "a b"}, "ISSUER_ID_CLAIM="),
        ({"ROLES_CLAIM": "a b"}, "ISSUER_ROLES_CLAIM="),
        ({"ROLES": "shop-admin"}, "ISSUER_ROLES"),
        ({"ROLES": "shop-admin=Admin!", "ROLES_CLAIM": "roles"}, "ISSUER_ROLES="),
        ({"ROLES": "shop-admin=admin"}, "ISSUER_ROLES_CLAIM is not set"),
        ({"NAME": "Key Cloak"}, "ISSUER_NAME="),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_at_the_start(
    use: Callable[..., None], monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], named: str
) -> None:
    monkeypatch.setenv("ATOLL_ENV", "production")
    use(**settings)

    with pytest.raises(ImproperlyConfigured, match=named):
        settings_of_issuer.trusted()


def test_where_another_issuer_is_the_only_one_users_is_asked_for_nothing(
    provider: IdentityProvider, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for keys, nor for revocations, nor for a token of the service."""

    def never(*args: object, **more: object) -> None:
        raise AssertionError("users was asked")

    monkeypatch.setattr("atoll.client.service_client.ServiceClient.request", never)
    use()

    assert verify(provider.token()).id == "ada"
    assert service_token() is None
    assert verification.account_mark("ada") is None
    with pytest.raises(SignInNeeded, match=provider.issuer):
        principal(type("Asked", (), {"user": None})())


def test_an_id_that_is_no_uuid_is_refused_where_a_service_needs_one() -> None:
    def caller(id_: str) -> Principal:
        return Principal(id_, frozenset(), "user", None, "", None, None)

    assert str(caller("3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11").uuid) == "3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11"
    with pytest.raises(Exception, match="UUID") as told:
        _ = caller("auth0|1").uuid
    assert told.value.status == 403  # type: ignore[attr-defined]


ALONE = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "atoll.identity"],
    DATABASES={"default": {"ENGINE": "django.db.backends.dummy"}},
    ATOLL={"SERVICE": "shop", "ISSUER_URL": %(issuer)r, "ISSUER_AUDIENCE": [%(audience)r],
           "ISSUER_ROLES_CLAIM": "realm_access.roles", "ISSUER_ROLES": ["shop-operator=operator"]},
)
django.setup()
from atoll.client import ServiceClient
from atoll.identity import verify

caller = verify(%(token)r)
print(caller.id, sorted(caller.roles), caller.is_operator)
print(ServiceClient("id-service").get("/realms/shop/certs").status)
"""


def test_a_project_of_its_own_needs_no_users_no_registry_and_no_projects_toml(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    script = ALONE % {
        "issuer": provider.issuer, "audience": AUDIENCE, "token": provider.token(**KEYCLOAK),
    }  # fmt: skip
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ATOLL", "DJANGO"))
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=inherited
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ATOLL_ROOT": str(tmp_path),
            "ATOLL_HOME": str(tmp_path / "home"),
            "ID_SERVICE_URL": provider.origin,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == (f"{KEYCLOAK['sub']} ['operator'] True\n200\n", 0), done.stderr


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Bearer x.y.z", 403, "invalid_token"),
        ("Basic YTpi", 401, "access_token_required"),
        ("", 401, "access_token_required"),
    ],
)
def test_a_project_with_an_exception_handler_of_its_own_answers_the_same(
    use: Callable[..., None], settings: Any, header: str, status: int, code: str
) -> None:
    """REST framework's handler knows no error of Atoll."""
    settings.REST_FRAMEWORK = {}
    use()

    class Whoami(APIView):
        authentication_classes = (BearerAuthentication,)
        permission_classes = (IsSignedIn,)

        def get_exception_handler(self) -> Any:
            return exception_handler

    fields = {"HTTP_AUTHORIZATION": header} if header else {}
    told = Whoami.as_view()(APIRequestFactory().get("/", **fields))

    assert (told.status_code, told.data["code"]) == (status, code)
    assert told["WWW-Authenticate"].startswith("Bearer ")
