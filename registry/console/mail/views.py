"""``/console/mail``: in development, the mails that the platform would have sent."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from atoll import conf, kept_mail
from atoll.identity.backends import roles_of
from atoll.identity.roles import holds_one_of
from registry.console.navigation import register_entry
from registry.console.pages import page, show

REFUSED = "A mail can hold the token of a new password, so administrators alone may read them."
NOT_HERE = "Mails are shown in development alone. Here EMAIL_URL names the server that sends them."


def may_read(user: Any) -> bool:
    """Whether mails are kept here, and the account is an administrator's."""
    return conf.environment() == "development" and holds_one_of(roles_of(user), ())


register_entry("Mail", "console:mail", place=50, may=may_read)


@page
def mail(request: HttpRequest) -> HttpResponse:
    is_here = conf.environment() == "development"
    if not may_read(request.user):
        refusal = {"refusal": REFUSED if is_here else NOT_HERE}
        return show(request, "registry/console/mail.html", "Mail", refusal, status=403 if is_here else 404)
    return show(request, "registry/console/mail.html", "Mail", {"mails": kept_mail.newest()})
