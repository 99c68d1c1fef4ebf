"""Password hashing."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2(Argon2PasswordHasher):
    """Argon2id with 19 MiB, two passes, one lane: the OWASP minimum, about 25 ms on one core.

    Django's own figures take 100 MiB and eight threads for each sign-in.
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1
