"""Django's system checks for ``settings.ATOLL`` and the variables: ``manage.py check`` runs them.

=========  ==========================================================================================
atoll.E001  the service has no name
atoll.E002  ATOLL is not a dictionary
atoll.E003  a key of ATOLL that no option has
atoll.E004  a value of the wrong type
atoll.E005  a value that is too small, too large or none of the choices
atoll.E006  the bus has no broker
atoll.E007  a value needs packages that are not installed
atoll.W001  a variable ATOLL_... of the environment that no option has and that resembles one
=========  ==========================================================================================
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks as django_checks
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from atoll.conf import options
from atoll.conf.kinds import OutOfBounds
from atoll.conf.option import SETTING
from atoll.conf.servers import engines
from atoll.conf.table import project_name, stands_alone

TAG = "atoll"
PREFIX = "ATOLL_"
BUS = "atoll.bus"
# The option, the beginnings of values that need more than the bus, a package of its extra, and the extra.
EXTRAS = (
    (options.BROKER_URL, ("redis", "valkey"), "redis", "redis"),
    (options.REGISTRY_URL, ("http",), "requests", "client"),
    (options.DISCOVERY, ("http",), "requests", "client"),
    (options.DISCOVERY, ("dns", "srv"), "dns", "client"),
    (options.ISSUER_URL, ("http",), "jwt", "identity"),
)


@register(TAG)
def check_options(**_: Any) -> Sequence[CheckMessage]:
    """Compare ``settings.ATOLL`` and the environment with the table of options."""
    held = getattr(settings, SETTING, {})
    if not isinstance(held, Mapping):
        return [
            Error(
                f"{SETTING} in the settings is {type(held).__name__} and not a dictionary.",
                hint=f'Write {SETTING} = {{"SERVICE": "shop", "BROKER_URL": "amqp://..."}}.',
                id="atoll.E002",
            )
        ]
    return [*_unknown_keys(held), *_values(), *_required(), *_extras(), *_unknown_variables()]


def _unknown_keys(held: Mapping[Any, Any]) -> Iterator[CheckMessage]:
    known = {option.key: option for option in options.all_options() if option.key}
    for key in held:
        if key in known:
            continue
        hint = _meant(str(key).upper(), known)
        if option := options.of_variable(str(key)):
            hint = (
                f'Its key is "{option.key}"; {key} is its variable of the environment.'
                if option.key
                else f"{key} counts in the environment alone."
            )
        yield Error(f'{SETTING}["{key}"] is no option of Atoll.', hint=hint, id="atoll.E003")


def _values() -> Iterator[CheckMessage]:
    name = _project_name()
    for option in options.all_options():
        given = option.given(name if option.is_own else None)
        if given is None:
            continue
        try:
            option.kind.read(given.value)
        except ValueError as error:
            yield Error(
                option.complaint(given, error),
                hint=f"{option.help} It is {option.kind.name}.",
                id="atoll.E005" if isinstance(error, OutOfBounds) else "atoll.E004",
            )


def _required() -> Iterator[CheckMessage]:
    if not stands_alone():
        return
    name = _project_name()
    if name is None and options.SERVICE.given() is None:
        yield Error(
            "This service has no name.",
            hint=f'Write {SETTING} = {{"SERVICE": "shop"}} into the settings, or set ATOLL_SERVICE.',
            id="atoll.E001",
        )
    has_broker = options.BROKER_URL.given(name) is not None or engines().get("broker_url")
    if apps.is_installed(BUS) and not has_broker:
        yield Error(
            "The bus has no broker.",
            hint=f'Write {SETTING} = {{"BROKER_URL": "amqp://user:password@host:5672//"}} into the settings, '
            "or set RABBITMQ_URL.",
            id="atoll.E006",
        )


def _extras() -> Iterator[CheckMessage]:
    name = _project_name()
    for option, beginnings, package, extra in EXTRAS:
        given = option.given(name if option.is_own else None)
        if given and str(given.value).startswith(beginnings) and find_spec(package) is None:
            yield Error(
                f"{given.place} needs the packages of the extra `{extra}`, which are not installed.",
                hint=f'pip install "atoll[{extra}]"',
                id="atoll.E007",
            )


def _unknown_variables() -> Iterator[CheckMessage]:
    known = {option.variable: option for option in options.all_options()}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known and (hint := _meant(name, known)):
            yield django_checks.Warning(
                f"{name} in the environment is no option of Atoll.", hint=hint, id="atoll.W001"
            )


def _meant(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    return f"Did you mean {near[0]}?" if near else ""


def _project_name() -> str | None:
    try:
        return project_name()
    except ImproperlyConfigured:
        return None
