"""Pages with one form that anybody may open, beside the sign-in page."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from atoll.admin import site
from atoll.errors import TooManyRequests

MAX_TOKEN_CHARS = 64


class MailedTokenForm(forms.Form):
    """A script fills in the token from the address, so that no server's log has it."""

    token = forms.CharField(
        label="Token of the mail",
        max_length=MAX_TOKEN_CHARS,
        help_text="The text behind #token= in the link of the mail.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code"}),
    )


def too_many(request: HttpRequest, title: str, form: forms.Form, refusal: TooManyRequests) -> HttpResponse:
    form.add_error(None, refusal.message)
    shown = page(request, title, form=form, button="Try again", status=refusal.status)
    shown.headers["Retry-After"] = str(refusal.retry_after_s)
    return shown


def page(
    request: HttpRequest,
    title: str,
    *,
    form: forms.Form | None = None,
    button: str = "",
    done: str = "",
    status: int = 200,
) -> HttpResponse:
    shown = {**site.each_context(request), "title": title, "form": form, "button": button, "done": done}
    return TemplateResponse(request, "users/open_page.html", shown, status=status)
