"""The admin pages of accounts."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget

from atoll.admin import ModelAdmin
from atoll.admin.confirming import asks_first
from atoll.admin.times import TimeFilter
from atoll.errors import InvalidInput, Refusal, TooManyRequests, Unavailable
from atoll.identity.rights import Rights
from atoll.identity.roles import ROLES, SUPPORT, TITLES
from services.users.admin.filters import RoleFilter
from services.users.api.email_change import check_email_request
from services.users.api.proof import require_current_password
from services.users.hashing import spelled
from services.users.models import RefreshFamily, User
from services.users.permissions import WrongPassword
from services.users.selectors import accounts, pending_email
from services.users.usecases.delete_user import delete_user
from services.users.usecases.end_sessions import Because, end_all_sessions
from services.users.usecases.register_user import register_user
from services.users.usecases.update_user import Changes, update_user
from services.users.usecases.withdraw_email_change import withdraw_email_change

STOPS = (
    "They are signed out everywhere and cannot sign in until they are activated again. Their orders go on. "
    "All services refuse their access tokens within seconds."
)


# The button of the note about an email that waits for its confirmation.
WITHDRAW = "withdraw_email"

NO_MAIL = "No mail can be sent here: EMAIL_URL names no server. An administrator changes the email."


class AccountForm(ModelForm):
    class Meta:
        model = User
        fields = ("email", "name", "roles", "is_active")

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if not email.isascii():
            raise forms.ValidationError("Enter an address in ASCII.")
        return email

    def clean_roles(self) -> list[str]:
        return sorted(self.cleaned_data["roles"])


class ShownPassword(forms.CharField):
    """Proves the identity of the user; it never counts as a change of the form."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class OwnAccountForm(AccountForm):
    """The user's own account. ``AccountAdmin.get_form`` sets ``request``."""

    request: HttpRequest

    current_password = ShownPassword(
        required=False,
        max_length=256,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
        help_text="Needed for another email, which holds when the link in a mail to it is used.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "email" in given and given["email"] != self.instance.email:
            shown = given.get("current_password")
            try:
                require_current_password(self.request, self.instance, shown, to="change the email")
            except WrongPassword:
                self.add_error("current_password", "This is not your present password.")
            except InvalidInput:
                self.add_error("current_password", "Enter your present password to change the email.")
            except TooManyRequests as refusal:
                self.add_error("current_password", refusal.message)
            if not self.errors:
                self._check_request()
        return given

    def _check_request(self) -> None:
        try:
            check_email_request(self.request, self.instance)
        except Unavailable:
            self.add_error("email", NO_MAIL)
        except TooManyRequests as refusal:
            self.add_error("email", refusal.message)


class NewAccountForm(AccountForm):
    """A new account. ``AccountAdmin.get_fields`` chooses the visible fields."""

    password = forms.CharField(
        max_length=256, strip=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "password" in given:
            owner = User(email=given.get("email", ""), name=given.get("name", ""))
            try:
                validate_password(spelled(given["password"]), owner)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return given


@admin.register(User)
class AccountAdmin(ModelAdmin):
    """Support changes accounts of customers, administrators change all. Nobody changes their own roles."""

    rights: ClassVar[Rights] = {"view": (SUPPORT,), "add": (SUPPORT,), "change": (SUPPORT,)}
    never = frozenset({"delete"})

    form = AccountForm
    change_form_outer_before_template = "users/email_to_confirm.html"
    secret_fields = ("password",)
    list_display = ("email", "name", "role_names", "is_active", "created_at")
    list_filter = ("is_active", RoleFilter, ("created_at", TimeFilter))
    search_fields = ("email", "name", "id")
    date_hierarchy = "created_at"
    readonly_fields = ("id", "created_at", "updated_at", "last_login", "unconfirmed_email")
    ask_before_off: ClassVar = {"is_active": STOPS}
    actions = ("deactivate", "activate", "end_sessions", "delete_accounts")

    @admin.display(description="Roles")
    def role_names(self, user: User) -> str:
        return ", ".join(user.roles) or "–"

    @admin.display(description="Email to confirm", empty_value="–")
    def unconfirmed_email(self, user: User) -> str | None:
        return pending_email(user.id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return accounts()

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = self._form_of(request, obj, change)
        made = super().get_form(request, obj, change, form=form, **kwargs)
        if form is OwnAccountForm:
            made.request = request
        return made

    def _form_of(self, request: HttpRequest, obj: User | None, change: bool) -> type[AccountForm]:
        if not change:
            return NewAccountForm
        return OwnAccountForm if self._is_own(request, obj) else AccountForm

    def _is_own(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the signed-in user may change the account and owns it."""
        return obj is not None and obj == request.user and self.has_change_permission(request, obj)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Roles as checkboxes. A field that the form declares would never be read-only."""
        if db_field.name == "roles":
            return forms.MultipleChoiceField(
                choices=[(role, TITLES[role]) for role in ROLES],
                required=False,
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("email", "name", "password", "roles")
        shown = ("current_password",) if self._is_own(request, obj) else ()
        email = ("email", *shown, "unconfirmed_email")
        return ("id", *email, "name", "roles", "is_active", "created_at", "updated_at", "last_login")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed: tuple[str, ...] = self.readonly_fields
        if not request.user.is_superuser or obj == request.user:
            fixed += ("roles",)
        if obj is not None and obj == request.user:
            fixed += ("is_active",)
        return fixed

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj is not None and obj.is_staff and not request.user.is_superuser and obj != request.user:
            return False
        return bool(super().has_change_permission(request, obj))

    def affected(self, rows: QuerySet[User]) -> list[str]:
        signed_in = RefreshFamily.objects.filter(
            user__in=rows.values("pk"), revoked_at=None, expires_at__gt=timezone.now()
        )
        people = signed_in.values("user").distinct().count()
        staff = sum(user.is_staff for user in rows)
        return [
            f"Signed in now: {people} of {rows.count()}, with {signed_in.count()} sign-ins.",
            *([f"Staff among them: {staff}."] if staff else ()),
        ]

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "erase")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        given = form.cleaned_data
        if not change:
            obj.password = make_password(given["password"])
            register_user(obj)
            return
        changes = {name: given[name] for name in form.changed_data}
        if "roles" in changes:
            changes["roles"] = frozenset(changes["roles"])
        if isinstance(form, OwnAccountForm) and "email" in changes:
            changes["requested_email"] = changes.pop("email")
            asked = (
                f"A mail to {changes['requested_email']} has a link. The email changes when the link is used."
            )
            self.message_user(request, asked)
        update_user(obj.pk, Changes(**changes))
        # The history and the message of success name the account as it is.
        obj.refresh_from_db()

    def changes_in_words(self, form: Any) -> list[str]:
        told = super().changes_in_words(form)
        if not isinstance(form, OwnAccountForm):
            return told
        return [f"{one}, once it is confirmed" if one.startswith("Email: ") else one for one in told]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Shows the refusal of a use case on the page; its transaction is rolled back.

        The own page has a note about an email that waits, with a button that withdraws it.
        """
        is_own = object_id == str(request.user.pk) and self._is_own(request, request.user)
        own_id = object_id if is_own else None
        if request.method == "POST" and WITHDRAW in request.POST:
            return self._withdraw(request, own_id)
        waiting = pending_email(own_id) if own_id else None
        shown = {**(extra_context or {}), "email_to_confirm": waiting, "withdraw": WITHDRAW}
        try:
            page: HttpResponse = super().changeform_view(request, object_id, form_url, shown)
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return page

    def _withdraw(self, request: HttpRequest, own_id: str | None) -> HttpResponse:
        if own_id is None:
            raise PermissionDenied
        email = withdraw_email_change(UUID(own_id))
        if email is None:
            self.message_user(request, "No email waits any more.", messages.WARNING)
        else:
            self.log_change(request, request.user, f"Email {email} withdrawn before it was confirmed")
            self.message_user(request, f"{email} is withdrawn: the link in its mail is refused.")
        return HttpResponseRedirect(request.get_full_path())

    @admin.action(description="Deactivate: end sessions, refuse sign-in…", permissions=["change"])
    @asks_first(warning=STOPS, button="Deactivate accounts")
    def deactivate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(request, users, "deactivated", lambda user: update_user(user.id, Changes(is_active=False)))

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(request, users, "activated", lambda user: update_user(user.id, Changes(is_active=True)))

    @admin.action(description="End all sessions…", permissions=["change"])
    @asks_first(
        warning="The users are signed out on all of their devices, and must sign in with their password.",
        button="End all sessions",
    )
    def end_sessions(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(request, users, "signed out", lambda user: end_all_sessions(user, Because.STAFF))

    @admin.action(description="Delete for good…", permissions=["erase"])
    @asks_first(
        warning=(
            "The accounts are deleted, their open orders are cancelled, and every service erases their "
            "personal data. You cannot undo this."
        ),
        button="Delete accounts for good",
    )
    def delete_accounts(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(request, users, "deleted", lambda user: delete_user(user.id))

    def _each(
        self, request: HttpRequest, users: QuerySet[User], done: str, do: Callable[[User], object]
    ) -> None:
        count = 0
        for user in users:
            try:
                if user == request.user or not self.has_change_permission(request, user):
                    raise Refusal("Not your own account, and staff only by an administrator.")
                do(user)
            except Refusal as refusal:
                self.message_user(request, f"{user.email}: {refusal.message}", messages.ERROR)
            else:
                count += 1
                self.log_change(request, user, done)
        if count:
            self.message_user(request, f"{count} {'account' if count == 1 else 'accounts'} {done}.")
