"""Bearer authentication and permissions on a view, over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import override_settings
from django.urls import path
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from atoll.identity import verification
from atoll.identity.drf import (
    IsAdmin,
    IsCatalogue,
    IsCatalogueOrReadOnly,
    IsOperator,
    IsService,
    IsServiceOrSupport,
    IsSignedIn,
    IsSignedInOrService,
    IsSupport,
    owner_or_support,
    principal,
)
from atoll.identity.principal import Principal
from atoll.ids import uuid7

PERMISSIONS: dict[str, type[BasePermission]] = {
    "signed-in": IsSignedIn,
    "signed-in-or-service": IsSignedInOrService,
    "support": IsSupport,
    "catalogue": IsCatalogue,
    "operator": IsOperator,
    "admin": IsAdmin,
    "service": IsService,
    "service-or-support": IsServiceOrSupport,
    "catalogue-or-read": IsCatalogueOrReadOnly,
}


class Probe(APIView):
    def get(self, request: Request) -> Response:
        caller = request.user
        return Response({"id": caller.id if caller else None})

    post = get


urlpatterns = [path(name, Probe.as_view(permission_classes=[needed])) for name, needed in PERMISSIONS.items()]


@pytest.fixture(autouse=True)
def _probe_urls() -> Iterator[None]:
    verification.forget_keys()
    with override_settings(ROOT_URLCONF=__name__):
        yield
    verification.forget_keys()


@pytest.mark.parametrize(
    ("needed", "anonymous", "user", "roles", "admin", "service"),
    [
        ("signed-in", 401, 200, (200, 200, 200), 200, 403),
        ("signed-in-or-service", 401, 200, (200, 200, 200), 200, 200),
        ("support", 401, 403, (200, 403, 403), 200, 403),
        ("catalogue", 401, 403, (403, 200, 403), 200, 403),
        ("operator", 401, 403, (403, 403, 200), 200, 403),
        ("admin", 401, 403, (403, 403, 403), 200, 403),
        ("service", 401, 403, (403, 403, 403), 403, 200),
        ("service-or-support", 401, 403, (200, 403, 403), 200, 200),
        ("catalogue-or-read", 401, 403, (403, 200, 403), 200, 403),
    ],
)
def test_who_may_post(
    needed: str,
    anonymous: int,
    user: int,
    roles: tuple[int, int, int],
    admin: int,
    service: int,
    atoll_as_user: Callable[..., APIClient],
    atoll_as_support: Callable[..., APIClient],
    atoll_as_catalogue: Callable[..., APIClient],
    atoll_as_operator: Callable[..., APIClient],
    atoll_as_admin: Callable[..., APIClient],
    atoll_as_service: Callable[..., APIClient],
) -> None:
    members = (atoll_as_support(), atoll_as_catalogue(), atoll_as_operator())
    clients = (APIClient(), atoll_as_user(), *members, atoll_as_admin(), atoll_as_service())

    assert [client.post(f"/{needed}", {}).status_code for client in clients] == [
        anonymous,
        user,
        *roles,
        admin,
        service,
    ]


def test_anyone_may_read_what_catalogue_writes(atoll_trusted_test_key: None) -> None:
    assert APIClient().get("/catalogue-or-read").json() == {"id": None}


def test_without_a_token_the_answer_is_401_with_a_challenge(atoll_trusted_test_key: None) -> None:
    answer = APIClient().get("/signed-in")

    assert answer.status_code == 401
    assert answer.json()["error"] == "Access token required"
    assert answer["WWW-Authenticate"] == 'Bearer realm="atoll"'


@pytest.mark.parametrize("url", ["/signed-in", "/catalogue-or-read"])
def test_a_bad_token_is_403_with_a_challenge_even_where_anyone_may_read(
    url: str, atoll_trusted_test_key: None
) -> None:
    answer = APIClient().get(url, HTTP_AUTHORIZATION="Bearer not.a.token")

    assert answer.status_code == 403
    assert answer.json()["error"] == "Invalid or expired token"
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_the_scheme_is_read_in_any_case(atoll_token: Callable[..., str]) -> None:
    me = uuid7()

    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = APIClient().get("/signed-in", HTTP_AUTHORIZATION=f"{scheme} {atoll_token(me)}")
        assert answer.json() == {"id": str(me)}


def test_another_scheme_is_no_access_token(atoll_trusted_test_key: None) -> None:
    for header in ("Basic dXNlcjpwYXNz", "Token abc", "Bearerabc"):
        answer = APIClient().get("/signed-in", HTTP_AUTHORIZATION=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "access_token_required")


def test_a_header_that_holds_no_single_token_is_refused(atoll_token: Callable[..., str]) -> None:
    good = atoll_token()
    for header in (
        "Bearer",
        "Bearer ",
        f"Bearer  {good}",
        f"Bearer {good} {good}",
        f"Bearer {good},Bearer {good}",
        f"Bearer {good}, Bearer {good}",
        f'Bearer "{good}"',
    ):
        assert APIClient().get("/signed-in", HTTP_AUTHORIZATION=header).status_code == 403, header


def test_a_token_in_the_query_or_a_cookie_is_not_seen(atoll_token: Callable[..., str]) -> None:
    client = APIClient()
    client.cookies["access_token"] = atoll_token()

    assert client.get(f"/signed-in?access_token={atoll_token()}&token={atoll_token()}").status_code == 401


def test_identity_headers_prove_nothing(atoll_trusted_test_key: None) -> None:
    answer = APIClient().get("/support", HTTP_X_USER_ID=str(uuid7()), HTTP_X_USER_ROLES="admin")

    assert answer.status_code == 401


def test_an_owner_is_that_very_user() -> None:
    def caller(**changes: Any) -> Principal:
        base: dict[str, Any] = {
            "id": str(me),
            "roles": frozenset(),
            "kind": "user",
            "service": None,
            "token_id": "t",
            "email": None,
            "name": None,
        }
        return Principal(**{**base, **changes})

    me, other = uuid7(), uuid7()

    assert owner_or_support(caller(), me)
    assert not owner_or_support(caller(), other)
    assert owner_or_support(caller(roles=frozenset({"support"})), other)
    assert not owner_or_support(caller(roles=frozenset({"catalogue", "operator"})), other)
    assert owner_or_support(caller(roles=frozenset({"admin"})), other)
    assert not owner_or_support(caller(kind="service", id="order-service", roles=frozenset({"admin"})), other)


def test_principal_asks_the_anonymous_to_sign_in() -> None:
    class Anonymous:
        user = None

    with pytest.raises(Exception, match="Sign in"):
        principal(Anonymous())
