"""The clients of the issuer: one for each project, with the addresses of its configuration."""

from oauth2_provider.models import Application

from atoll.conf import Project
from atoll.identity.oidc.configuration import CALLBACK, SIGNED_OUT, places


def store_client(project: Project) -> bool:
    """Register the project, or replace its addresses. Returns whether anything changed."""
    registered = places(project.name)
    wanted = {
        "name": project.name,
        "redirect_uris": " ".join(f"{place}{CALLBACK}" for place in registered),
        "post_logout_redirect_uris": " ".join(f"{place}{SIGNED_OUT}" for place in registered),
        "client_type": Application.CLIENT_CONFIDENTIAL,
        "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
        "algorithm": Application.RS256_ALGORITHM,
        "skip_authorization": True,
        # The secret is the service's credential, which ServiceCredential keeps.
        "client_secret": "",
        "hash_client_secret": False,
    }
    client = Application.objects.filter(client_id=project.service).first()
    if client is not None and all(getattr(client, name) == value for name, value in wanted.items()):
        return False
    Application.objects.update_or_create(client_id=project.service, defaults=wanted)
    return True


def may_return_to(client: Application, url: str) -> bool:
    """Exact comparison of the whole address (RFC 9700 §2.1)."""
    return url in client.redirect_uris.split()


def may_sign_out_to(client: Application, url: str) -> bool:
    return url in client.post_logout_redirect_uris.split()
