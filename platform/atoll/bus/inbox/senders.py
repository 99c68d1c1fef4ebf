"""Checking senders: RabbitMQ proves who sent a message, the contracts say who may send it.

RabbitMQ accepts as ``user_id`` of a message only the user of the connection that publishes it. So where
every service has a user of its own name, this property proves the sender; the body proves nothing.
docs/asyncapi.json says who may send each message. docs/decisions/0043 has the reasons.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.bus import contracts
from atoll.bus.broker import transports
from atoll.bus.broker.envelope import Envelope, Unreadable
from atoll.bus.handlers.registry import Kind
from atoll.bus.schemas import definitions
from atoll.conf import options
from atoll.errors import Misuse

# The user of a URL that names none, as for every client of AMQP.
ANONYMOUS = "guest"
SHOWN_CHARACTERS = 100

Senders = Mapping[tuple[Kind, str], frozenset[str]]


class SenderRefused(Unreadable):
    """The sender is unknown, or may not send this message; the text names it and the permitted ones."""


@dataclass(frozen=True)
class Rule:
    """Who may send each event, and each command to this service."""

    senders: Senders

    def knows(self, message: Envelope) -> bool:
        """Whether the contracts have a message of that name."""
        return (message.kind, message.name) in self.senders

    def demand(self, message: Envelope, user: str) -> None:
        """Raise SenderRefused unless ``user``, the proven sender, may send this message.

        A message that the contracts do not know must only not name another sender.
        """
        allowed = self.senders.get((message.kind, message.name))
        who_may = f" {message.name} may be sent by {_names(allowed)}." if allowed else ""
        if not user:
            raise SenderRefused(
                f"The message does not say which broker user sent it (AMQP's user_id).{who_may}"
            )
        if message.claimed_sender not in (None, user):
            raise SenderRefused(
                f"The broker user {_shown(user)} sent it, and its serviceId names another.{who_may}"
            )
        if allowed is not None and user not in allowed:
            raise SenderRefused(f"The broker user {_shown(user)} sent it, and may not.{who_may}")

    def refuse_unknown(self, message: Envelope, user: str) -> None:
        """Raise SenderRefused for a message that a handler here takes and the contracts do not know."""
        if not self.knows(message):
            raise SenderRefused(
                f"The broker user {_shown(user)} sent it, and {contracts.DOCUMENT} does not say who may "
                f"send a message of its name."
            )


def are_checked() -> bool:
    """Whether this process checks senders: with BUS_CHECK_SENDERS, which is on in production for the
    projects of projects.toml, and a transport that proves senders.

    Raises ImproperlyConfigured for a value that is neither true nor false.
    """
    project = conf.project_name()
    if options.BUS_CHECK_SENDERS.given(project):
        wanted = options.BUS_CHECK_SENDERS.value(project)
    else:
        wanted = conf.environment() == "production" and not conf.stands_alone()
    return wanted and transports.kind_of(_url()).capabilities.proves_senders


def rule() -> Rule | None:
    """The rule for arriving messages; None where senders are not checked.

    A process reads the document of contracts once. Raises ImproperlyConfigured without it.
    """
    if not are_checked():
        return None
    return Rule(_senders(conf.root() / contracts.DOCUMENT, conf.service_name()))


def user_of(properties: Mapping[str, Any]) -> str:
    """The proven sender of a message; empty without one."""
    user = properties.get("user_id")
    return user if isinstance(user, str) else ""


def refuse_start() -> None:
    """Raises ImproperlyConfigured where senders are checked and this service lacks the contracts or a
    broker user of its own name."""
    if not are_checked():
        return
    rule()
    service = conf.service_name()
    own = f"{conf.project_name().upper().replace('-', '_')}_RABBITMQ_URL"
    users = {_user(url) for url in _url().split(";")}
    if users != {service}:
        raise ImproperlyConfigured(
            f"BUS_CHECK_SENDERS is on, and this service connects to RabbitMQ as {_names(users)}, not as "
            f"{service}: no other service would believe what it sends. Give it a user of that name "
            f"(rabbitmqctl add_user {service}, with the permissions of docs/decisions/0040) and set {own} to "
            f"amqp://{service}:PASSWORD@HOST. On a broker where that cannot be, set BUS_CHECK_SENDERS=false."
        )


@lru_cache(maxsize=4)
def _senders(place: Path, service: str) -> Senders:
    """Senders by the document and, for messages that it does not have yet, by this project's definitions."""
    try:
        written = contracts.document()
        mine = definitions.announced(definitions.event_modules(), service)
    except Misuse as error:
        raise ImproperlyConfigured(str(error)) from error
    if written is None:
        raise ImproperlyConfigured(
            f"BUS_CHECK_SENDERS is on, and {place}, which says who may send what, is not there. "
            f"`{contracts.writer()}` writes it. To go without it, set BUS_CHECK_SENDERS=false."
        )
    found: dict[tuple[Kind, str], frozenset[str]] = {}
    for one in [*written, *mine]:
        if one.kind == "event" or one.to == service:
            held = found.get((one.kind, one.name), frozenset())
            found[one.kind, one.name] = held.union(one.announcers)
    return found


def _url() -> str:
    return conf.broker_url(conf.project_name())


def _user(url: str) -> str:
    return unquote(urlsplit(url).username or ANONYMOUS)


def _names(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def _shown(name: str) -> str:
    """A foreign name in one short line: as it is when it is printable."""
    return (name if name.isprintable() else repr(name))[:SHOWN_CHARACTERS]
