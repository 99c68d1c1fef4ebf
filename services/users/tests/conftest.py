"""Fixtures for all tests of users."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from rest_framework.test import APIClient

from atoll import conf
from atoll.identity import verification
from atoll.ids import uuid7
from services.users import keys
from services.users.models import User
from services.users.tests.browsing import PASSWORD, enter
from services.users.tests.resetting import ADA, ask, mailed_token
from services.users.usecases.register_user import prepare_user, register_user


@pytest.fixture(scope="session")
def rsa_keys() -> list[rsa.RSAPrivateKey]:
    """Real keys, made once: making one takes a noticeable part of a second."""
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(8)]


@pytest.fixture
def window() -> Iterator[Any]:
    """Time stands still: the window of a limit may otherwise end between two requests of a test."""
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _fresh_process(
    settings: Any, monkeypatch: pytest.MonkeyPatch, rsa_keys: list[rsa.RSAPrivateKey]
) -> Iterator[None]:
    """No counters, keys or caches of the test before."""
    # A database of the server for itself: clearing a cache empties its whole database, and
    # other suites may clear theirs at the same moment.
    own = urlsplit(conf.redis_url())._replace(path="/9").geturl()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": own}}
    settings.RATELIMIT_CACHE_PREFIX = f"test:{uuid7()}:"
    supply = iter(rsa_keys)
    monkeypatch.setattr(keys, "generate_private_key", lambda **_: next(supply))
    verification.forget_keys()
    yield
    verification.forget_keys()


@pytest.fixture
def client() -> APIClient:
    return APIClient()


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """``make_user(email=..., roles=...)``: a registered account with ``PASSWORD``."""

    def make(email: str | None = None, name: str = "Ada Lovelace", roles: tuple[str, ...] = ()) -> User:
        address = email or f"{uuid7()}@example.com"
        return register_user(prepare_user(email=address, password=PASSWORD, name=name, roles=roles))

    return make


@pytest.fixture
def signed_in(client: APIClient) -> Callable[..., dict[str, Any]]:
    """``signed_in(user)``: the answer of ``/auth/token`` for an account of ``make_user``."""

    def sign_in(user: User) -> dict[str, Any]:
        answer = client.post("/auth/token", {"email": user.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    return sign_in


@pytest.fixture
def bearer() -> Callable[[str], APIClient]:
    """A client that carries this access token."""

    def make(token: str) -> APIClient:
        carrying = APIClient()
        carrying.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return carrying

    return make


@pytest.fixture
def atoll_as_staff(db: None, atoll_as_user: Callable[..., APIClient]) -> Callable[..., APIClient]:
    """``as_staff(user=None)``: like the test kit's, of an account that exists: roles are looked up."""

    def make(user: User | None = None, roles: tuple[str, ...] = ("support",)) -> APIClient:
        account = user or User.objects.create(
            email=f"{uuid7()}@colleagues.example", name="Stan Staff", roles=list(roles)
        )
        return atoll_as_user(account.id, roles=account.roles)

    return make


@pytest.fixture
def atoll_as_support(atoll_as_staff: Callable[..., APIClient]) -> Callable[..., APIClient]:
    return atoll_as_staff


@pytest.fixture
def atoll_as_admin(atoll_as_staff: Callable[..., APIClient]) -> Callable[..., APIClient]:
    return lambda: atoll_as_staff(roles=("admin",))


@pytest.fixture
def admin(make_user: Callable[..., User]) -> Client:
    """A browser that an administrator has signed in with."""
    make_user("admin@example.com", "Ann Admin", roles=("admin",))
    return enter("admin@example.com")[0]


@pytest.fixture
def staff(make_user: Callable[..., User]) -> Client:
    """A browser that staff has signed in with."""
    make_user("staff@example.com", "Stan Staff", roles=("support",))
    return enter("staff@example.com")[0]


@pytest.fixture
def reset_token(make_user: Callable[..., User], atoll_bus: Any) -> str:
    """The token of a mail to the account of ADA."""
    make_user(ADA)
    ask()
    atoll_bus.settle()
    return mailed_token()
