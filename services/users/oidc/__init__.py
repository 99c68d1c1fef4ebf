"""Users as the issuer of the admins' sign-in (OpenID Connect), on django-oauth-toolkit.

Each project of the platform is a client; its secret is its SERVICE_SECRET. Only the authorization code
with PKCE (S256) is served.
"""
