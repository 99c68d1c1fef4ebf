"""Input fields; each accepts one JSON type."""

from typing import Any

from rest_framework import serializers

from atoll.api.fields import ExactText, Line
from atoll.identity.roles import ROLES


class Name(Line):
    """One line of 1 to 200 characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, **kwargs)


class Email(serializers.EmailField):
    """An ASCII address of at most 254 characters, so no look-alike letters can imitate another address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        value = super().to_internal_value(data)
        if not value.isascii():
            self.fail("invalid")
        return value.lower()


class Password(ExactText):
    """The password as typed, at most 256 characters; no answer contains it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=256, trim_whitespace=False, write_only=True, **kwargs)


class Roles(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.ChoiceField(choices=list(ROLES)), max_length=len(ROLES), **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        roles: list[str] = super().to_internal_value(data)
        if len(set(roles)) < len(roles):
            raise serializers.ValidationError("Name each role once.")
        return roles
