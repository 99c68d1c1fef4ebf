"""The admin page where users change their own password."""

from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm

from atoll.admin import site
from atoll.errors import TooManyRequests
from services.users.admin.door import sign_in_of
from services.users.api.limits import CHANGE_PASSWORD
from services.users.hashing import spelled
from services.users.usecases.update_user import Changes, update_user


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Django's form with the limit of attempts and with the use case, which ends every session."""

    def __init__(self, user: Any, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        account = str(self.user.pk)
        try:
            CHANGE_PASSWORD.check(self.request, account)
            return str(super().clean_old_password())
        except TooManyRequests as refusal:
            raise ValidationError(refusal.message, code="too_many") from None
        except ValidationError:
            CHANGE_PASSWORD.failed(self.request, account)
            raise

    def clean_new_password1(self) -> str:
        return spelled(self.cleaned_data["new_password1"])

    def clean_new_password2(self) -> str:
        return spelled(self.cleaned_data["new_password2"])

    def save(self, commit: bool = True) -> Any:
        new = make_password(self.cleaned_data["new_password1"])
        self.user = update_user(self.user.pk, Changes(password_hash=new))  # type: ignore[has-type]
        return self.user


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        """The change ended every sign-in of the account, and this browser gets a new one."""
        page = super().form_valid(form)
        sign_in_of(self.request)
        return page

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), **site.each_context(self.request)}


def change_own_password(request: HttpRequest) -> HttpResponseBase:
    return OwnPasswordView.as_view()(request)
