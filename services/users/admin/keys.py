"""The admin pages of signing keys."""

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from atoll.admin import ReadOnlyAdmin
from atoll.admin.confirming import asks_first
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT
from services.users.models import SigningKey
from services.users.usecases.rotate_signing_key import rotate_signing_key


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT,)}
    secret_fields = ("private_pem_encrypted",)
    list_display = ("key_id", "status", "created_at", "activated_at", "retired_at")
    list_filter = ("status",)
    search_fields = ("kid",)
    fields = ("kid", "status", "public_jwk", "created_at", "activated_at", "retired_at")
    actions = ("rotate",)

    @admin.display(description="Key id", ordering="kid")
    def key_id(self, key: SigningKey) -> str:
        return key.kid

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "rotate")

    @admin.action(description="Rotate: the next key signs from now on", permissions=["rotate"])
    @asks_first(
        warning=(
            "The next key signs all tokens from now on, whichever keys are selected. Tokens of the present "
            "key stay good until they expire: nobody is signed out."
        ),
        button="Rotate the signing key",
    )
    def rotate(self, request: HttpRequest, chosen: QuerySet[SigningKey]) -> None:
        """The selection has no effect: there is only one next key."""
        try:
            current = rotate_signing_key()
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return
        self.log_change(request, current, "rotated: this key signs from now on")
        self.message_user(request, f"{current.kid} signs from now on. Nobody was signed out.")
