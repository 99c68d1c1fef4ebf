"""The checker's sources: the journal, the mirror of the wire, four databases and the broker's queues."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

Row = dict[str, Any]
# On an idle machine every instance renews its bindings after 2 s (docs/decisions/0040).
BOUND_AGAIN_S = 6.0
# Faults after which a worker renews nothing: for as long as the fault lasts, and until it has started again.
AWAY = {
    "pause_worker", "pause_worker_past_its_lease", "two_versions", "kill_worker", "terminate_worker",
}  # fmt: skip
STARTED_AGAIN_S = 12.0
# The personal fields by message.
PERSONAL = {"user.created": {"email", "name"}, "user.updated": {"changes"}}


class Evidence:
    """Reads only. Tests pass ``connections`` to show changed rows before a rollback."""

    def __init__(self, journal: Path, connections: dict[str, Any] | None = None) -> None:
        with journal.open(encoding="utf-8") as file:
            self.records: list[Row] = [json.loads(line) for line in file]
        self.run: Row = next(self.of("run"))
        self.end: Row = next(self.of("end"), {})
        # Project of each service, such as {"order-service": "orders"}.
        self.projects: dict[str, str] = self.run["services"]
        self._connections = connections or {
            project: psycopg2.connect(dsn) for project, dsn in self.run["databases"].items()
        }

    def of(self, record: str) -> Iterator[Row]:
        return (row for row in self.records if row["record"] == record)

    def rows(self, project: str, statement: str, parameters: Sequence[Any] | None = None) -> list[Row]:
        """Return the rows of a query, with UUIDs as text."""
        connection = self._connections[project]
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()]

    @cached_property
    def accepted(self) -> set[str]:
        return {row["order"] for row in self.of("accepted")}

    @cached_property
    def handlers(self) -> list[Row]:
        """Every subscription: project, kind, name, handler, attempts."""
        return [
            {"project": row["project"], **handler}
            for row in self.of("subscriptions")
            for handler in row["handlers"]
        ]

    @cached_property
    def outbox(self) -> dict[tuple[str, str], Row]:
        """Every committed message by (service, message id)."""
        return {
            (service, row["message_id"]): row
            for service, project in self.projects.items()
            for row in self.rows(
                project,
                "SELECT id, message_id::text, kind, name, destination, key, key_sequence, body, "
                "correlation_id, status, attempts, extract(epoch FROM published_at)::float8 AS published_at "
                "FROM atoll_bus_outbox ORDER BY id",
            )
        }

    @cached_property
    def inbox(self) -> dict[str, list[Row]]:
        """The received messages by project."""
        return {
            project: self.rows(
                project,
                "SELECT id, message_id, kind, name, body, service_id, correlation_id FROM atoll_bus_inbox",
            )
            for project in self.projects.values()
        }

    @cached_property
    def deliveries(self) -> dict[str, list[Row]]:
        """The deliveries by project, with facts of their messages."""
        return {
            project: self.rows(
                project,
                "SELECT delivery.id::text, handler, delivery.status, attempts, lane, position, token, error, "
                "next_attempt_at < now() AS is_due, delivery.created_at, claimed_at, finished_at, "
                "delivery.message_id AS inbox_id, message.message_id, service_id, name, kind, correlation_id "
                "FROM atoll_bus_delivery AS delivery "
                "JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id",
            )
            for project in self.projects.values()
        }

    @cached_property
    def wire(self) -> list[Row] | None:
        """The published messages in order, or None without a mirror."""
        path = self.run["wire"]
        if not path:
            return None
        with Path(path).open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @cached_property
    def poison(self) -> dict[str, Row]:
        """The poison by token. A poison with a readable message id has the token as its id."""
        return {row["token"]: row for row in self.of("poison")}

    @cached_property
    def deleted_accounts(self) -> set[str]:
        gone = "SELECT id::text FROM users_user WHERE deleted_at IS NOT NULL"
        return {row["id"] for row in self.rows("users", gone)}

    def words(self, message: Row) -> str:
        """Return the body without the personal fields of deleted accounts, which erasure may have emptied."""
        fields = PERSONAL.get(message["name"])
        if fields is None:
            return str(message["body"])
        envelope = json.loads(message["body"])
        if envelope["data"].get("userId") not in self.deleted_accounts:
            return str(message["body"])
        stays = {name: value for name, value in envelope["data"].items() if name not in fields}
        return json.dumps({**envelope, "data": stays}, sort_keys=True)

    def was_blind(self, message: Row) -> bool:
        """Whether the mirror had lost its binding when the message was published."""
        return any(
            row["from"] <= message["published_at"] <= row["until"]
            for row in self.of("unbound")
            if row["mirror"]
        )

    def was_unbound(self, message: Row, project: str) -> bool:
        """Whether the project's workers may not have renewed its bindings when the message was published."""
        return message["published_at"] is not None and any(
            row["from"] <= message["published_at"] <= self._bound_again(row, project)
            for row in self.of("unbound")
        )

    def _bound_again(self, unbound: Row, project: str) -> float:
        """The time at which a worker of the project must have renewed its bindings."""
        until = float(unbound["until"]) + BOUND_AGAIN_S
        for began, ended in self._absences(project):
            if began < until and ended > unbound["from"]:
                until = max(until, ended + BOUND_AGAIN_S)
        return until

    def _absences(self, project: str) -> list[tuple[float, float]]:
        """When a worker of the project was stopped or started again, in order of time."""
        return sorted(
            (row["at"] - row["lasts_s"], row["at"] + (0 if row["lasts_s"] else STARTED_AGAIN_S))
            for row in self.of("fault")
            if row["kind"] in AWAY
            and row["did"] is not None
            and row["target"].startswith(f"{project}-worker")
        )

    def is_poison(self, message_id: str) -> bool:
        return message_id in self.poison


def digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def topic_matches(pattern: str, name: str) -> bool:
    """AMQP topics: ``*`` is one word, ``#`` any number of words."""

    def match(wanted: list[str], words: list[str]) -> bool:
        if not wanted:
            return not words
        if wanted[0] == "#":
            return any(match(wanted[1:], words[skipped:]) for skipped in range(len(words) + 1))
        return bool(words) and wanted[0] in ("*", words[0]) and match(wanted[1:], words[1:])

    return match(pattern.split("."), name.split("."))
