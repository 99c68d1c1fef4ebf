"""Names the person behind an act. Rows keep an account's id, ``staff:UUID``: no name outlives the account."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Substr

__all__ = ["STAFF", "shown", "with_person"]

STAFF = "staff:"


def with_person(rows: QuerySet[Any], field: str = "actor") -> QuerySet[Any]:
    """Annotate name and email of the member of staff in ``field`` for `shown`; None for any other actor."""
    people = User.objects.filter(username=Substr(OuterRef(field), len(STAFF) + 1))
    found: QuerySet[Any] = rows.annotate(
        person_name=Subquery(people.values("first_name")[:1]),
        person_email=Subquery(people.values("email")[:1]),
    )
    return found


def shown(row: Any, field: str = "actor") -> str:
    """``Ada Lovelace (ada@example.com)``; the actor as it is when no copy of the account is here."""
    actor = str(getattr(row, field))
    name, email = row.person_name, row.person_email
    if not actor.startswith(STAFF) or not (name or email):
        return actor
    return f"{name} ({email})" if name and email else str(name or email)
