"""Sign-in to the admins by OpenID Connect (authorization code with PKCE).

The issuer is users, or the one that ATOLL_OIDC_ISSUER names, such as a company's Keycloak. Each project is
a client of the issuer. A sign-in at the issuer (``sid``) opens the admins of all projects.
"""
