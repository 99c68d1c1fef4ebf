"""Temporary broker users for one test, on a real RabbitMQ."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

from atoll.ids import uuid7

PASSWORD = "only-for-this-test"
TIMEOUT_S = 60
# The node as this machine names it, and as `.ci/run` starts it.
NODES: tuple[tuple[str, ...], ...] = ((), ("--node", "rabbit@localhost"))


class RabbitmqctlRefused(Exception):
    """rabbitmqctl is missing, refuses this account, or belongs to another broker."""


class Users:
    """A virtual host, and users with all permissions in it and none elsewhere."""

    def __init__(self, url: str, mark: str) -> None:
        self._address = urlsplit(url)
        self._mark = mark
        self.vhost = f"test-senders{mark}"

    def name(self, short: str) -> str:
        """Return a user's full name, which is unique on this broker."""
        return f"{short}{self._mark}"

    def url(self, short: str) -> str:
        host, port = self._address.hostname, self._address.port or 5672
        return f"amqp://{self.name(short)}:{PASSWORD}@{host}:{port}/{quote(self.vhost, safe='')}"


@contextmanager
def temporary_users(url: str, *shorts: str) -> Iterator[Users]:
    """Create users and delete them afterwards. Raises RabbitmqctlRefused."""
    users = Users(url, f"-{uuid7().hex[-12:]}")
    if users._address.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise RabbitmqctlRefused("the broker is on another machine")
    names, vhost, by = [users.name(short) for short in shorts], _binary(users.vhost), _binary("test")
    node = _erlang_somewhere(f"rabbit_vhost:add({vhost}, {by})", *(_add(name, vhost, by) for name in names))
    try:
        yield users
    finally:
        leaving = [f"rabbit_auth_backend_internal:delete_user({_binary(name)}, {by})" for name in names]
        _erlang(node, *leaving, f"rabbit_vhost:delete({vhost}, {by})")


def _add(name: str, vhost: str, by: str) -> str:
    user, everything = _binary(name), ", ".join([_binary(".*")] * 3)
    return (
        f"rabbit_auth_backend_internal:add_user({user}, {_binary(PASSWORD)}, {by}), "
        f"rabbit_auth_backend_internal:set_permissions({user}, {vhost}, {everything}, {by})"
    )


def _binary(text: str) -> str:
    return f"<<{json.dumps(text)}>>"


def _erlang_somewhere(*expressions: str) -> tuple[str, ...]:
    """Run the expressions on the first node that accepts them. Returns the node."""
    reasons = []
    for node in NODES:
        try:
            _erlang(node, *expressions)
        except RabbitmqctlRefused as error:
            reasons.append(str(error))
        else:
            return node
    raise RabbitmqctlRefused("; ".join(reasons))


def _erlang(node: tuple[str, ...], *expressions: str) -> None:
    """Run all expressions in one call of rabbitmqctl, since each call takes a second."""
    command = ["rabbitmqctl", "--quiet", *node, "eval", f"{', '.join(expressions)}."]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RabbitmqctlRefused(f"rabbitmqctl: {error}") from error
    if done.returncode:
        raise RabbitmqctlRefused(" ".join((done.stderr or done.stdout).split())[:300])
