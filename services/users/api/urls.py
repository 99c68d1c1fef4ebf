"""The addresses of the users API."""

from django.urls import path

from services.users.api import auth, email_change, oidc, password_reset, services, users

urlpatterns = [
    path("auth/register", auth.RegisterView.as_view(), name="register"),
    path("auth/token", auth.TokenView.as_view(), name="token"),
    path("auth/refresh", auth.RefreshView.as_view(), name="refresh"),
    path("auth/logout", auth.LogoutView.as_view(), name="logout"),
    path("auth/password-reset", password_reset.PasswordResetView.as_view(), name="password-reset"),
    path("auth/password-reset/confirm", password_reset.NewPasswordView.as_view(), name="new-password"),
    path(
        "auth/email-change/confirm", email_change.EmailConfirmationView.as_view(), name="email-confirmation"
    ),
    path("auth/oidc/token", oidc.token, name="oidc-token"),
    path("auth/sign-ins/<id:sign_in_id>", oidc.SignInView.as_view(), name="sign-in"),
    path("auth/service-token", services.ServiceTokenView.as_view(), name="service-token"),
    path(".well-known/openid-configuration", oidc.DiscoveryView.as_view(), name="oidc-discovery"),
    path(".well-known/jwks.json", services.KeySetView.as_view(), name="jwks"),
    path(".well-known/revocations.json", services.RevocationsView.as_view(), name="revocations"),
    path("users", users.UsersView.as_view(), name="users"),
    path("users/me", users.OwnAccountView.as_view(), name="own-account"),
    path("users/<id:user_id>", users.UserView.as_view(), name="user"),
]
