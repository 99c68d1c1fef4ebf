"""``manage.py users seed``: demo accounts and customers for a development machine."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from atoll import conf
from atoll.identity.roles import ADMIN, CATALOGUE, OPERATOR, SUPPORT
from services.users.keys import ensure_keys
from services.users.models import User
from services.users.usecases.register_user import EmailTaken, register_user

ACCOUNTS: tuple[tuple[str, str, str, list[str]], ...] = (
    ("admin@atoll.example", "Ann Admin", "atoll-demo-admin", [ADMIN]),
    ("staff@atoll.example", "Stan Staff", "atoll-demo-staff", [SUPPORT, CATALOGUE]),
    ("support@atoll.example", "Sue Support", "atoll-demo-support", [SUPPORT]),
    ("catalogue@atoll.example", "Cato Catalogue", "atoll-demo-catalogue", [CATALOGUE]),
    ("operator@atoll.example", "Otis Operator", "atoll-demo-operator", [OPERATOR]),
    ("ada@atoll.example", "Ada Lovelace", "atoll-demo-ada", []),
)

CUSTOMERS = (
    "Amina Diallo",
    "Anders Nyström",
    "Beatriz Carvalho",
    "Björn Eriksen",
    "Chen Wei",
    "Chiara Conti",
    "Daniel Okafor",
    "Dilnoza Karimova",
    "Elif Yıldız",
    "Emma Thompson",
    "Farid Haddad",
    "Fatima Zahra",
    "Giorgos Papadakis",
    "Hana Nováková",
    "Hiroshi Tanaka",
    "Ingrid Larsen",
    "Jack O'Brien",
    "Joanna Kowalska",
    "Kofi Mensah",
    "Leila Hosseini",
    "Lucas Moreau",
    "Maria Fernández",
    "Mateo Rojas",
    "Mei Lin",
    "Noah Fischer",
    "Olivia Martin",
    "Priya Raman",
    "Rania Saleh",
    "Sofia Rossi",
    "Tomasz Zieliński",
)


class Command(BaseCommand):
    help = "Make the demo accounts and 30 customers that cannot sign in. Safe to repeat; not for production."

    def handle(self, *args: Any, **options: Any) -> None:
        if conf.environment() == "production":
            raise CommandError("The demo accounts have public passwords: they are never made in production.")
        ensure_keys()
        made = sum(
            self._make(User(email=email, name=name, roles=roles, password=make_password(password)))
            for email, name, password, roles in ACCOUNTS
            if User.objects.by_email(email) is None
        )
        now = timezone.now()
        for number, name in enumerate(CUSTOMERS, start=1):
            email = f"customer{number:02}@atoll.example"
            if User.objects.by_email(email) is None:
                joined = now - timedelta(days=3 * number, minutes=17 * number)
                made += self._make(
                    User(email=email, name=name, password=make_password(None), created_at=joined)
                )
        self.stdout.write(f"{made} accounts made, {len(ACCOUNTS) + len(CUSTOMERS) - made} were there.")

    def _make(self, user: User) -> bool:
        try:
            register_user(user)
        except EmailTaken:
            return False
        return True
