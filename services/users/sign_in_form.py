"""The sign-in form of all admins."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm

from atoll.errors import TooManyRequests
from atoll.identity.limits import CredentialLimit, Rate

# Beside the limits that the sign-in of the API shares (services.users.guesses).
LIMIT = CredentialLimit("admin-sign-in", per_address=Rate(30, 60), per_source=Rate(10, 300))


class SignInForm(AuthenticationForm):
    """Email and password of a staff account, with a rate limit."""

    username = forms.EmailField(
        label="Email", widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"})
    )

    error_messages = {
        "invalid_login": "Please enter the email and password of a staff account.",
        "inactive": "This account is inactive.",
        "too_many": "Too many attempts. Try again in %(seconds)s seconds.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.over_limit: TooManyRequests | None = None
        self.fields["username"].widget.attrs["class"] = self.fields["password"].widget.attrs.get("class", "")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        email, password = given.get("username", ""), given.get("password", "")
        if not email or not password:
            return given
        try:
            LIMIT.check(self.request, email)
            self.user_cache = authenticate(self.request, username=email, password=password)
        except TooManyRequests as error:
            self.over_limit = error
            raise self._refused("too_many", seconds=error.retry_after_s) from None
        if self.user_cache is None:
            LIMIT.failed(self.request, email)
            raise self._refused("invalid_login")
        self.confirm_login_allowed(self.user_cache)
        return given

    def _refused(self, code: str, **values: object) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=values)
