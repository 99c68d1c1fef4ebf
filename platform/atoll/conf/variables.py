"""Variables of the environment, converted. An empty value counts as absent.

A variable of an option (atoll.conf.options) may stand in ``settings.ATOLL``, too; the environment goes before
it. The readers raise ImproperlyConfigured, with the variable and its value, where a value does not convert.
"""

import os
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll.conf import options
from atoll.conf.option import own_name

__all__ = [
    "environment",
    "flag",
    "own_name",
    "own_variable",
    "seconds",
    "variable",
    "web_address",
    "whole_number",
]


def own_variable(name: str, project_name: str) -> str | None:
    """The value of the project's own variable alone."""
    return os.environ.get(own_name(name, project_name)) or None


def variable(name: str, project_name: str | None = None) -> str | None:
    """The value of the project's own variable, else of the plain one, else of ``settings.ATOLL`` as text."""
    own = own_variable(name, project_name) if project_name else None
    return own or os.environ.get(name) or _in_settings(name)


def _in_settings(name: str) -> str | None:
    option = options.of_variable(name)
    given = option.given() if option else None
    if given is None:
        return None
    return ",".join(given.value) if isinstance(given.value, list | tuple) else str(given.value)


def flag(name: str, default: bool = False, project_name: str | None = None) -> bool:
    """A yes or no. Raises ImproperlyConfigured for another text."""
    value = variable(name, project_name)
    if value is None:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false.")


def seconds(name: str, default: float, project_name: str | None = None) -> float:
    """A number of seconds, also with a fraction. Raises ImproperlyConfigured for another text."""
    value = variable(name, project_name)
    if value is None:
        return default
    try:
        return float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value!r} is not a number of seconds.") from None


def whole_number(name: str, default: int, project_name: str | None = None) -> int:
    """A number from 1."""
    value = variable(name, project_name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number from 1.")
    return int(value)


def web_address(name: str, project_name: str | None = None) -> str:
    """The http or https address of a page, without a fragment; empty when the variable is not set."""
    value = variable(name, project_name)
    if value is None:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "#" in value or not value.isprintable():
        raise ImproperlyConfigured(f"{name}={value!r} is not https://host/path without a part after #.")
    return value


def environment() -> str:
    """``production``, or by ATOLL_ENV ``development`` (set by ``make up``) or ``test``."""
    return options.ENVIRONMENT.value()
