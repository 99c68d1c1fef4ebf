"""``GET /users``: search, filters, ordering."""

import django_filters
from django.db.models import Q, QuerySet

from atoll.identity.roles import ROLES
from services.users.models import User


class UserFilter(django_filters.FilterSet):
    search = django_filters.CharFilter(method="in_email_or_name", max_length=200)
    role = django_filters.ChoiceFilter(choices=[(role, role) for role in ROLES], method="with_role")
    active = django_filters.BooleanFilter(field_name="is_active")
    ordering = django_filters.OrderingFilter(
        fields={"created_at": "createdAt", "email": "email", "name": "name"}
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = ()

    def in_email_or_name(self, users: QuerySet[User], name: str, text: str) -> QuerySet[User]:
        return users.filter(Q(email__icontains=text) | Q(name__icontains=text))

    def with_role(self, users: QuerySet[User], name: str, role: str) -> QuerySet[User]:
        return users.filter(roles__contains=[role])
