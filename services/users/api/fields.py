"""Input fields that take exactly the JSON type they are for."""

from typing import Any

from rest_framework import serializers

from atoll.api.fields import ExactText, Line
from atoll.identity.roles import ROLES


class Name(Line):
    """One line of 1 to 200 characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=200, **kwargs)


class Email(serializers.EmailField):
    """An address in ASCII, at most 254 characters: look-alike letters cannot imitate another's."""

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
    """As it was typed, at most 256 characters, never shown. Hashing makes one of its spellings."""

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
