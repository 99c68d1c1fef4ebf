"""``manage.py users seed``."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from services.users.models import User

pytestmark = pytest.mark.django_db


def seed() -> str:
    said = StringIO()
    call_command("seed", stdout=said)
    return said.getvalue()


def test_the_demo_accounts_can_sign_in_and_the_customers_cannot(client: APIClient, atoll_bus: Any) -> None:
    assert seed() == "36 accounts made, 0 were there.\n"

    for email, password, roles in (
        ("admin@atoll.example", "atoll-demo-admin", ["admin"]),
        ("staff@atoll.example", "atoll-demo-staff", ["catalogue", "support"]),
        ("support@atoll.example", "atoll-demo-support", ["support"]),
        ("catalogue@atoll.example", "atoll-demo-catalogue", ["catalogue"]),
        ("operator@atoll.example", "atoll-demo-operator", ["operator"]),
        ("ada@atoll.example", "atoll-demo-ada", []),
    ):
        answer = client.post("/auth/token", {"email": email, "password": password})
        assert answer.json()["user"]["roles"] == roles
    customers = User.objects.filter(email__startswith="customer")
    assert customers.count() == 30
    assert not any(customer.has_usable_password() for customer in customers)
    assert len(atoll_bus.published("user.created")) == 36


def test_seeding_again_changes_nothing(atoll_bus: Any) -> None:
    seed()
    before = list(User.objects.values_list("id", "password", "updated_at"))

    assert seed() == "0 accounts made, 36 were there.\n"

    assert list(User.objects.values_list("id", "password", "updated_at")) == before
    assert len(atoll_bus.published("user.created")) == 36


def test_public_passwords_are_never_made_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOLL_ENV", "production")

    with pytest.raises(CommandError, match="production"):
        seed()

    assert not User.objects.exists()
