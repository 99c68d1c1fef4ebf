"""Fixtures under their earlier names, without the prefix. Each use gives a DeprecationWarning."""

import warnings
from typing import Any

import pytest


def _old(name: str, fixture: Any) -> Any:
    warnings.warn(f"The fixture {name!r} is now 'atoll_{name}'.", DeprecationWarning, stacklevel=2)
    return fixture


@pytest.fixture
def bus(atoll_bus: Any) -> Any:
    return _old("bus", atoll_bus)


@pytest.fixture
def token(atoll_token: Any) -> Any:
    return _old("token", atoll_token)


@pytest.fixture
def trusted_test_key(atoll_trusted_test_key: Any) -> Any:
    return _old("trusted_test_key", atoll_trusted_test_key)


@pytest.fixture
def as_user(atoll_as_user: Any) -> Any:
    return _old("as_user", atoll_as_user)


@pytest.fixture
def as_staff(atoll_as_staff: Any) -> Any:
    return _old("as_staff", atoll_as_staff)


@pytest.fixture
def as_support(atoll_as_support: Any) -> Any:
    return _old("as_support", atoll_as_support)


@pytest.fixture
def as_catalogue(atoll_as_catalogue: Any) -> Any:
    return _old("as_catalogue", atoll_as_catalogue)


@pytest.fixture
def as_operator(atoll_as_operator: Any) -> Any:
    return _old("as_operator", atoll_as_operator)


@pytest.fixture
def as_admin(atoll_as_admin: Any) -> Any:
    return _old("as_admin", atoll_as_admin)


@pytest.fixture
def as_service(atoll_as_service: Any) -> Any:
    return _old("as_service", atoll_as_service)
