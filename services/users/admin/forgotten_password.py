"""The pages for a forgotten password: one asks for a mail, and the link of the mail leads to the other.

Anybody may open them. The first answers the same with and without an account for the address.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget

from atoll.errors import Refusal, TooManyRequests
from services.users import mail
from services.users.admin.open_pages import MailedTokenForm, page, too_many
from services.users.api import limits
from services.users.api.password_reset import ACCEPTED, accept_request
from services.users.usecases.reset_password import reset_password

NO_MAIL = "No mail can be sent here: EMAIL_URL names no server. An administrator sets a new password."
MAX_PASSWORD_CHARS = 128


class AskForm(forms.Form):
    email = forms.EmailField(
        label="Email", max_length=254, widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "username"})
    )


class NewPasswordForm(MailedTokenForm):
    password = forms.CharField(
        label="New password",
        strip=False,
        max_length=MAX_PASSWORD_CHARS,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="The same again",
        strip=False,
        max_length=MAX_PASSWORD_CHARS,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        if "password" in given and "again" in given and given["password"] != given["again"]:
            raise ValidationError({"again": "The two passwords differ."})
        return given


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    form = AskForm(request.POST or None)
    if not mail.can_be_sent():
        return page(request, "New password", done=NO_MAIL, status=503)
    if form.is_valid():
        try:
            limits.PASSWORD_RESET.check(request)
            accept_request(request, form.cleaned_data["email"])
        except TooManyRequests as refusal:
            return too_many(request, "New password", form, refusal)
        return page(request, "New password", done=ACCEPTED)
    return page(request, "New password", form=form, button="Send the mail")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Set the password and end every session of the account."""
    form = NewPasswordForm(request.POST or None)
    title = "Choose a new password"
    if form.is_valid():
        try:
            limits.NEW_PASSWORD.check(request)
            reset_password(form.cleaned_data["token"], form.cleaned_data["password"])
        except TooManyRequests as refusal:
            return too_many(request, title, form, refusal)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            return page(request, title, done="The password is set, and all former sessions have ended.")
    return page(request, title, form=form, button="Set the password")
