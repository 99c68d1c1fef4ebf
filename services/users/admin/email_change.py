"""The page that confirms the new address of an account. The link of the mail leads to it."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from atoll.errors import Refusal, TooManyRequests
from services.users.admin.open_pages import MailedTokenForm, page, too_many
from services.users.api import limits
from services.users.usecases.confirm_email_change import confirm_email_change

TITLE = "Confirm your new email"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """A button confirms, and not the link alone: programs that check mails for harm open every link."""
    form = MailedTokenForm(request.POST or None)
    if form.is_valid():
        try:
            limits.CONFIRM_EMAIL.check(request)
            confirm_email_change(form.cleaned_data["token"])
        except TooManyRequests as refusal:
            return too_many(request, TITLE, form, refusal)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            return page(request, TITLE, done="The email is changed. Sign in with the new one from now on.")
    return page(request, TITLE, form=form, button="Confirm the email")
