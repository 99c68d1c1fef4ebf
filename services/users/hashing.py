"""Password hashing, of one spelling however a password was typed."""

import unicodedata

from django.contrib.auth.hashers import Argon2PasswordHasher


def spelled(password: str) -> str:
    """The spelling that is hashed, by the profile OpaqueString of RFC 8265: each kind of space is U+0020,
    and letters are composed (NFC), whether a keyboard composes them or not."""
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def spellings(password: str) -> tuple[str, ...]:
    """Those that may be behind a hash: today's, and what was typed, which earlier versions hashed."""
    return tuple(dict.fromkeys((spelled(password), password)))


class Argon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes, one lane: the OWASP minimum, about 25 ms on one core.

    Django's own figures take 100 MiB and eight threads for each sign-in. Everything that hashes or
    checks a password comes here, so that none can forget its spelling.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return super().encode(spelled(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        return any(super(Argon2, self).verify(spelling, encoded) for spelling in spellings(password))
