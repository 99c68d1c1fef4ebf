"""Django's system checks for the bus: ``manage.py PROJECT check`` runs them."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from atoll import conf
from atoll.bus import contracts
from atoll.bus.inbox import quarantine, senders
from atoll.bus.operations import retention
from atoll.bus.worker import celery_environment
from atoll.conf import checks as option_checks


@register()
def check_database(**_: Any) -> Sequence[CheckMessage]:
    """Check the database settings on which claims and fences rely."""
    database = settings.DATABASES[DEFAULT_DB_ALIAS]
    found: list[CheckMessage] = []
    if not database["ENGINE"].endswith("postgresql"):
        found.append(
            Error(
                "The bus needs PostgreSQL.",
                hint="Its claims are FOR UPDATE SKIP LOCKED, LISTEN and the sessions of the server.",
                id="atoll_bus.E001",
            )
        )
    if not database.get("AUTOCOMMIT", True):
        found.append(
            Error(
                "AUTOCOMMIT must not be off.",
                hint="An attempt is counted in a commit of its own, before the handler runs.",
                id="atoll_bus.E002",
            )
        )
    if "isolation_level" in database.get("OPTIONS", {}):
        found.append(
            Error(
                "OPTIONS must not set isolation_level.",
                hint="A fence must see what was committed since its transaction began: READ COMMITTED.",
                id="atoll_bus.E003",
            )
        )
    return found


@register()
def check_retention(**_: Any) -> Sequence[CheckMessage]:
    """Check the settings that the bus also checks at its start."""
    if not _options_hold():
        return []
    try:
        retention.configured_periods()
        quarantine.configured()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="atoll_bus.E006")]
    return []


@register()
def check_names(**_: Any) -> Sequence[CheckMessage]:
    """Check the message names that a worker also checks at its start."""
    if not _options_hold():
        return []
    try:
        contracts.refuse_unknown_names()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="atoll_bus.E007")]
    return []


@register(deploy=True)
def check_senders(**_: Any) -> Sequence[CheckMessage]:
    """Check the sender settings that a worker also checks at its start."""
    if not _options_hold():
        return []
    try:
        senders.refuse_start()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="atoll_bus.E008")]
    return []


@register(deploy=True)
def check_celery(**_: Any) -> Sequence[CheckMessage]:
    """Check the Celery settings that a worker also checks at its start.

    This check imports Celery; no web process does.
    """
    from atoll.bus.worker import settings_check
    from atoll.bus.worker.celery_app import celery_app

    if not _options_hold():
        return []
    try:
        celery_environment.refuse()
        if conf.stands_alone():
            application = celery_app()
        else:
            application = import_module(f"{conf.project(conf.project_name()).package}.celery").app
        settings_check.refuse_unsafe(application)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="atoll_bus.E005")]
    return []


def _options_hold() -> bool:
    """Whether the checks of the options find no error: the others would say the same again."""
    return not any(found.level >= ERROR for found in option_checks.check_options())
