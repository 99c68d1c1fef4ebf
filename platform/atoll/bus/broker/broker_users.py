"""Making the RabbitMQ user of a project, with its password and permissions, over RabbitMQ's
management HTTP API."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests
from kombu import Connection

from atoll import conf
from atoll.bus.broker import permissions, transports
from atoll.bus.broker.topology import Topology
from atoll.conf import Project

TIMEOUT_S = 5.0
# A broker may take so long to start on a slow machine.
PATIENCE_S = 60.0
PAUSE_S = 1.0
SERVER_ERROR = 500
NOT_FOUND = 404
REFUSED = (401, 403)


class BrokerUserError(Exception):
    """The user could not be made; the text says why, without a password."""


@dataclass(frozen=True)
class Account:
    """The account in a project's own RABBITMQ_URL."""

    user: str
    password: str
    vhost: str


class Management:
    """RabbitMQ's management API at ``RABBITMQ_ADMIN_URL``.

    A server that does not answer, or answers with an error of its own, is asked again for
    ``patience_s`` seconds in all. Every refusal raises BrokerUserError at once.
    """

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not (parts.hostname and parts.username):
            raise BrokerUserError("it must be http://USER:PASSWORD@HOST:15672, of RabbitMQ's management.")
        self._server = parts.netloc.rpartition("@")[2]
        self._address = f"{parts.scheme}://{self._server}{parts.path.rstrip('/')}/api"
        self._session = requests.Session()
        # Neither a proxy nor a .netrc of this machine comes in between.
        self._session.trust_env = False
        self._session.auth = (unquote(parts.username), unquote(parts.password or ""))
        self._clock, self._sleep = clock, sleep
        self._deadline = clock() + patience_s

    def get(self, *path: str) -> Any:
        """The object at the path; None when there is none."""
        answer = self._call("GET", path, None)
        return None if answer.status_code == NOT_FOUND else answer.json()

    def put(self, *path: str, **values: str) -> None:
        answer = self._call("PUT", path, values)
        if answer.status_code == NOT_FOUND:
            raise BrokerUserError(f"{self._server} does not know {path[0]}.")

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, path: tuple[str, ...], values: dict[str, str] | None) -> requests.Response:
        url = "/".join([self._address, *(quote(part, safe="") for part in path)])
        while True:
            try:
                answer = self._session.request(
                    method, url, json=values, timeout=TIMEOUT_S, allow_redirects=False
                )
            except requests.RequestException as error:
                problem = f"{self._server} does not answer ({type(error).__name__})"
            else:
                if answer.status_code < SERVER_ERROR:
                    return self._accepted(answer)
                problem = f"{self._server} answers {answer.status_code}"
            if self._clock() > self._deadline:
                raise BrokerUserError(f"{problem}. Is it RabbitMQ with the plugin rabbitmq_management?")
            self._sleep(PAUSE_S)

    def _accepted(self, answer: requests.Response) -> requests.Response:
        if answer.status_code in REFUSED:
            raise BrokerUserError(
                f"{self._server} does not let it in ({answer.status_code}): it must be an administrator's."
            )
        if answer.status_code != NOT_FOUND and not answer.ok:
            raise BrokerUserError(f"{self._server} answers {answer.status_code}: {answer.text[:200]!r}")
        return answer


def account(project: Project) -> Account | None:
    """The project's own account; None when it has no RABBITMQ_URL of its own.

    Raises BrokerUserError when the URL names no user, or another user than the service's name.
    """
    variable = conf.own_name("RABBITMQ_URL", project.name)
    url = conf.own_variable("RABBITMQ_URL", project.name)
    if not url:
        return None
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (transports.kind_of(url).capabilities.proves_senders and user and password):
        raise BrokerUserError(f"{variable} must be amqp://{project.service}:PASSWORD@HOST:5672//.")
    if user != project.service:
        raise BrokerUserError(
            f"{variable} names the user {user!r}. The broker user of a service is called as the service is: "
            f"{project.service!r}."
        )
    return Account(user, password, Connection(url).virtual_host or "/")


def make(wanted: Account, names: Topology, admin_url: str, **patience: Any) -> None:
    """Make the user, without tags, or set its password anew; then its permissions. Safe to repeat.

    Raises BrokerUserError. Where the user is another platform's, nothing is written.
    """
    try:
        management = Management(admin_url, **patience)
        try:
            _make(management, wanted, names)
        finally:
            management.close()
    except BrokerUserError as error:
        raise BrokerUserError(
            f"RABBITMQ_ADMIN_URL cannot make the broker user {wanted.user!r}: {error}"
        ) from error


def _make(management: Management, wanted: Account, names: Topology) -> None:
    if management.get("vhosts", wanted.vhost) is None:
        raise BrokerUserError(f"there is no virtual host {wanted.vhost!r}.")
    for held in management.get("users", wanted.user, "permissions") or ():
        ours = held["vhost"] == wanted.vhost and permissions.matches(
            held["configure"], names.event_queue.name
        )
        if not ours:
            raise BrokerUserError(
                f"a user of that name has permissions for other names in the virtual host "
                f"{held['vhost']!r}, so it may be another platform's. Delete it if it is not."
            )
    topics = management.get("topic-permissions", wanted.vhost, wanted.user) or ()
    before = next((held["write"] for held in topics if held["exchange"] == names.events.name), "")
    allowed = permissions.of(names)
    management.put("users", wanted.user, password=wanted.password, tags="")
    # First, since a user without a topic permission may publish under every routing key.
    management.put(
        "topic-permissions",
        wanted.vhost,
        wanted.user,
        exchange=names.events.name,
        write=permissions.topic(names, before),
        read=permissions.ANYTHING,
    )
    management.put(
        "permissions",
        wanted.vhost,
        wanted.user,
        configure=allowed.configure,
        write=allowed.write,
        read=allowed.read,
    )
