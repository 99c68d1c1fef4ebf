"""The mail server, from EMAIL_URL.

smtp://host:25                              in the clear; takes no password
smtp+starttls://user:password@host:587      in the clear until both sides have agreed on TLS
smtps://user:password@host:465              TLS from the first byte
console:                                    nowhere: printed, for development

Without EMAIL_URL, development keeps mail in files, which the console shows (`atoll.kept_mail`), and tests
print it. In production it cannot be sent: logs must hold no secrets.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import conf

__all__ = ["MailServer", "server"]

SMTP = "django.core.mail.backends.smtp.EmailBackend"
CONSOLE = "django.core.mail.backends.console.EmailBackend"
KEPT = "atoll.kept_mail.EmailBackend"
# The mail server of each environment, where none is configured.
WITHOUT_SERVER = {"production": "", "development": KEPT}
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
FORMS = "smtp://host:25, smtp+starttls://user:password@host:587, smtps://user:password@host:465 or console:"


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Values of Django's EMAIL settings; an empty ``backend`` where no mail can be sent."""

    backend: str
    sender: str = "no-reply@localhost"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    use_tls: bool = False
    use_ssl: bool = False


def server(project_name: str) -> MailServer:
    """Raises ImproperlyConfigured for another form of URL, without quoting it: it may hold a password."""
    url = conf.variable("EMAIL_URL", project_name)
    if not url:
        return MailServer(backend=WITHOUT_SERVER.get(conf.environment(), CONSOLE))
    if url == "console:":
        return MailServer(backend=CONSOLE)
    parts, port = _read(url)
    if parts.scheme == "smtp" and parts.password:
        raise ImproperlyConfigured(
            "EMAIL_URL would send its password in the clear: use smtp+starttls:// or smtps://."
        )
    sender = conf.variable("EMAIL_FROM", project_name)
    if not sender:
        raise ImproperlyConfigured(
            "EMAIL_URL is set, so EMAIL_FROM must be: the address that mail comes from."
        )
    return MailServer(
        backend=SMTP,
        sender=sender,
        host=parts.hostname or "",
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_tls=parts.scheme == "smtp+starttls",
        use_ssl=parts.scheme == "smtps",
    )


def _read(url: str) -> tuple[Any, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"EMAIL_URL cannot be read; it is one of {FORMS}.") from None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ImproperlyConfigured(f"EMAIL_URL is one of {FORMS}.")
    return parts, port or PORTS[parts.scheme]
