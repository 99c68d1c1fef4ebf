"""The rule for the URL of a webhook."""

from urllib.parse import urlsplit


def fault_of_url(url: str) -> str:
    """Why the registry does not call this URL; empty when it does. Only administrators name URLs."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is no URL."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "A webhook needs a URL that begins with http:// or https://."
    if parts.username is not None or parts.password is not None:
        return "The URL must not contain a password: the signature proves the sender."
    if any(not 33 <= ord(character) <= 126 for character in url) or port == 0:
        return "The URL has characters that a URL cannot have."
    return ""
