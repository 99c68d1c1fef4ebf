"""URLs of the users project: its API, and the URLs that all projects have."""

from django.urls import path

from atoll.admin import site
from atoll.identity.oidc.own_issuer import AUTHORIZE_PATH, END_SESSION_PATH
from atoll.urls import platform_urls
from services.users.admin import email_change, forgotten_password, oidc
from services.users.admin.own_password import change_own_password
from services.users.api.urls import urlpatterns as api
from services.users.mail import CHOOSE_PAGE, CONFIRM_PAGE

urlpatterns = platform_urls(
    [
        *api,
        path(AUTHORIZE_PATH[1:], oidc.authorize, name="oidc-authorize"),
        path(END_SESSION_PATH[1:], oidc.sign_out, name="oidc-logout"),
        # The name with which the sign-in page links to it.
        path("admin/password_reset/", forgotten_password.ask, name="admin_password_reset"),
        path(f"admin{CHOOSE_PAGE}", forgotten_password.choose, name="choose-password"),
        path(f"admin{CONFIRM_PAGE}", email_change.confirm, name="confirm-email"),
        # Before the admin's own view of this address, which does not call the use case.
        path("admin/password_change/", site.admin_view(change_own_password)),
    ]
)
