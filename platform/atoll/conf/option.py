"""One option of Atoll: its key in ``settings.ATOLL``, its variable, its type and its value here."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from django.core.exceptions import ImproperlyConfigured

from atoll.conf.kinds import Kind

T = TypeVar("T")

SETTING = "ATOLL"


class Given(NamedTuple):
    """A value as somebody wrote it, and its place: a variable, or ``ATOLL["KEY"]``."""

    place: str
    value: object


@dataclass(frozen=True, kw_only=True, eq=False)
class Option(Generic[T]):
    """``value`` takes the first of: the project's own variable, the variable, the setting, the default.

    An empty text and None count as absent. ``key`` is None where only the environment can say it: the
    process that reads it has no settings yet, or a parent process writes it.
    """

    key: str | None
    variable: str
    kind: Kind[T]
    default: T
    help: str
    part: str
    # In words, where the default is not a constant.
    otherwise: str = ""
    # ORDERS_LOG_LEVEL counts for the project orders alone.
    is_own: bool = False
    is_secret: bool = False

    def value(self, project: str | None = None) -> T:
        """Raises ImproperlyConfigured for a value that is not of this kind."""
        given = self.given(project)
        if given is None:
            return self.default
        try:
            return self.kind.read(given.value)
        except ValueError as error:
            raise ImproperlyConfigured(self.complaint(given, error)) from None

    def given(self, project: str | None = None) -> Given | None:
        """The value as it was written, unread; None where nobody wrote one."""
        names = [own_name(self.variable, project)] if project else []
        for name in (*names, self.variable):
            if text := os.environ.get(name):
                return Given(name, text)
        value = in_settings().get(self.key) if self.key else None
        return None if value is None or value == "" else Given(f'{SETTING}["{self.key}"]', value)

    def complaint(self, given: Given, error: ValueError) -> str:
        """A sentence about a value; it shows neither secrets nor URLs, which hold passwords."""
        is_shown = not self.is_secret and "://" not in str(given.value)
        return f"{given.place}{f'={given.value!r}' if is_shown else ''} {error}."


def own_name(name: str, project_name: str) -> str:
    """The name of a variable for one project alone: ``ORDERS_DATABASE_URL``."""
    return f"{project_name.upper().replace('-', '_')}_{name}"


def in_settings() -> Mapping[str, Any]:
    """``settings.ATOLL``; empty without one, and while the settings themselves are being read."""
    held = getattr(loaded_settings(), SETTING, None)
    return held if isinstance(held, Mapping) else {}


def loaded_settings() -> Any:
    """Django's settings; None in a process that has not read them.

    It imports nothing: an edge process of the gateway reads options and has no Django in its memory.
    """
    module = sys.modules.get("django.conf")
    return module.settings if module is not None and module.settings.configured else None
