"""Accounts, refresh tokens, revocations, mailed tokens, signing keys and service credentials."""

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from atoll.identity.rights import roles_for
from atoll.identity.roles import ADMIN, FORMER_ROLES, ROLES, current_roles, holds_one_of
from atoll.ids import uuid7
from atoll.postgresql.arrays import ArrayField
from services.users.hashing import spelled


class UserManager(BaseUserManager["User"]):
    def by_email(self, email: str) -> "User | None":
        """The account with this address, upper and lower case alike; None for an unknown address."""
        return self.filter(email=email.strip().lower(), deleted_at=None).first()

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """One account. The address is stored in lower case and is unique.

    A deleted account keeps its row without personal data, so no other account gets its id; its
    address is free at once.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=200)
    roles = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    is_active = models.BooleanField("active", default=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    sessions_ended = models.IntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects = UserManager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="users_email_unique",
                violation_error_message="An account with this email exists.",
            ),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="users_email_lower_case"),
            models.CheckConstraint(
                # During an upgrade a process of the former version can still write a former name.
                condition=Q(roles__contained_by=[*ROLES, *FORMER_ROLES]),
                name="users_roles_known",
                violation_error_message=f"The roles there are: {', '.join(ROLES)}.",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at=None) | Q(is_active=False), name="users_deleted_is_inactive"
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """The admin shows it in its header."""
        return self.name

    def check_password(self, raw_password: str | None) -> bool:
        """Side effect: replaces the hash of a spelling that an earlier version stored."""
        if not super().check_password(raw_password) or raw_password is None:
            return False
        today = spelled(raw_password)
        if today == raw_password or super().check_password(today):
            return True
        former, self.password = self.password, make_password(today)
        if User.objects.filter(pk=self.pk, password=former).update(password=self.password):
            return True
        # Another process replaced the hash, for the same password or for a new one.
        self.refresh_from_db(fields=["password"])
        return super().check_password(today)

    def get_session_auth_hash(self) -> str:
        """Changes with the password and with ``sessions_ended``, which ends the account's admin sessions."""
        return self._session_hash(None)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(secret)

    def _session_hash(self, secret: str | None) -> str:
        ended = f" {self.sessions_ended}" if self.sessions_ended else ""
        salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
        return salted_hmac(salt, f"{self.password}{ended}", secret=secret, algorithm="sha256").hexdigest()

    @property
    def roles_held(self) -> frozenset[str]:
        """The roles; a former name counts as its current name."""
        return current_roles(self.roles)

    @property
    def is_staff(self) -> bool:
        """Whether the account has a role: every role opens the admins."""
        return holds_one_of(self.roles_held, ROLES)

    @property
    def is_superuser(self) -> bool:
        return ADMIN in self.roles

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        return self.is_active and holds_one_of(self.roles_held, roles_for(perm))

    def has_perms(self, perms: list[str], obj: object | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


class RefreshFamily(models.Model):
    """One sign-in: of a client of the API, with all its refresh tokens, or of a browser in the admins."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="refresh_families")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_because = models.CharField(max_length=32, blank=True)
    in_browser = models.BooleanField("in the admins", default=False, db_default=False)

    class Meta:
        ordering = ("-created_at",)
        verbose_name = "sign-in"

    def __str__(self) -> str:
        return f"sign-in of {self.user_id} at {self.created_at:%Y-%m-%d %H:%M}"


class RefreshToken(models.Model):
    """One refresh token by its ``jti``; the token itself is not stored. ``used_at`` is its first use."""

    id = models.UUIDField(primary_key=True, editable=False)
    family = models.ForeignKey(RefreshFamily, on_delete=models.CASCADE, related_name="tokens")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("created_at",)

    def __str__(self) -> str:
        return str(self.id)


class Revocation(models.Model):
    """Ends the tokens of an account or of a sign-in; stored until the last of these tokens expires."""

    class Kind(models.IntegerChoices):
        ACCOUNT = 0, "account"
        SIGN_IN = 1, "sign-in"

    key = models.CharField(max_length=80, primary_key=True, editable=False)
    kind = models.SmallIntegerField(choices=Kind.choices)
    before = models.BigIntegerField()
    ends_sessions = models.BooleanField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("kind", "-expires_at")

    def __str__(self) -> str:
        return self.key


class PasswordReset(models.Model):
    """A request for a new password; ``user`` is None if no account has the address.

    Only the newest request of an account is valid. The handler that sends the mail makes the
    token; the row has the hash of the token.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="password_resets")
    account_state = models.CharField(max_length=64, editable=False)
    token_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    expires_at = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.id)


class EmailChange(models.Model):
    """A new address of an account: its owner asked for it (``made_at`` is None), or it holds already.

    An account has at most one that waits for its confirmation. ``sent`` names the mails about the
    change that have left. The row has the hash of the token.
    """

    class Mail(models.TextChoices):
        CONFIRM = "confirm"
        REQUESTED = "requested"
        CHANGED_FORMER = "changed_former"
        CHANGED_NEW = "changed_new"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="email_changes")
    email = models.EmailField(max_length=254, editable=False)
    former_email = models.EmailField(max_length=254, editable=False)
    token_hash = models.CharField(max_length=64, null=True, unique=True, editable=False)
    sent = ArrayField(models.CharField(max_length=16), default=list, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    made_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(made_at=None), name="users_one_pending_email"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class SigningKey(models.Model):
    """An RSA key that signs tokens; a key derived from SECRET_KEY encrypts the private half.

    The key set has it as ``next`` before it signs, and as ``retired`` until the tokens that it
    signed have expired.
    """

    class Status(models.TextChoices):
        NEXT = "next"
        CURRENT = "current"
        RETIRED = "retired"

    PUBLISHED_AFTER_RETIRED: ClassVar[timedelta] = timedelta(hours=1)

    kid = models.CharField(max_length=64, primary_key=True, editable=False)
    status = models.CharField(max_length=8, choices=Status.choices)
    public_jwk = models.JSONField(editable=False)
    private_pem_encrypted = models.BinaryField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["status"], condition=Q(status__in=["next", "current"]), name="users_one_key_each"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kid} ({self.status})"


class ServiceCredential(models.Model):
    """The secret of a service for ``/auth/service-token``, as a keyed hash."""

    service = models.CharField(max_length=63, primary_key=True)
    secret_hash = models.CharField(max_length=64, editable=False)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("service",)

    def __str__(self) -> str:
        return self.service
