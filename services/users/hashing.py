"""Password hashing. All Unicode spellings of a password have the same hash."""

import unicodedata

from django.contrib.auth.hashers import Argon2PasswordHasher


def spelled(password: str) -> str:
    """The spelling for the hash, by the profile OpaqueString of RFC 8265: each kind of space becomes
    U+0020, and letters are composed (NFC)."""
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def spellings(password: str) -> tuple[str, ...]:
    """The spelling of today, and the password as typed, which earlier versions hashed."""
    return tuple(dict.fromkeys((spelled(password), password)))


class Argon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes, one lane: the OWASP minimum, about 25 ms on one core.

    Django's own values need 100 MiB and eight threads for each sign-in. All code hashes and
    checks passwords through this class, so no code can forget the spelling.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return super().encode(spelled(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        return any(super(Argon2, self).verify(spelling, encoded) for spelling in spellings(password))
