"""Invariants of messages after a run (I1 to I12). Each function yields the violations as texts."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pika
from pika.exceptions import ChannelClosed

from tests.chaos.check.evidence import Evidence, Row, digest, topic_matches

QUARANTINED = "SELECT id, encode(body, 'hex') AS body, reason FROM atoll_bus_quarantine"
OPEN = ("pending", "running")
SETTLED = ("done", "ignored")
# Their handlers in orders write a line of an order's history each time they take effect.
WRITES_HISTORY = ("stock.", "payment.")


def _said(message: Row) -> str:
    return f"{message['name']} {message['message_id']}"


def not_published(evidence: Evidence) -> Iterator[str]:
    """Every committed message left its outbox and was on the wire."""
    seen = None if evidence.wire is None else {(row["service"], row["id"]) for row in evidence.wire}
    for (service, message), row in evidence.outbox.items():
        if row["status"] != "published":
            yield f"{service}: {row['name']} {message} is {row['status']}"
        elif seen is not None and (service, message) not in seen and not evidence.was_blind(row):
            yield f"{service}: {row['name']} {message} says it is published and never was on the wire"


def effect_without_commit(evidence: Evidence) -> Iterator[str]:
    """Each received message of a service was committed there with the same body, and never rolled back."""
    for project, messages in evidence.inbox.items():
        for message in messages:
            sender = message["service_id"]
            if sender not in evidence.projects or evidence.is_poison(message["message_id"]):
                continue
            row = evidence.outbox.get((sender, message["message_id"]))
            if row is None:
                # A service writes a timer directly into its own inbox.
                if evidence.projects[sender] != project or message["kind"] != "command":
                    yield f"{project} heard {_said(message)}, never committed by {sender}"
            elif evidence.words(row) != evidence.words(message):
                yield f"{project} heard {_said(message)} in other words than committed"
    for seen in evidence.wire or ():
        row = evidence.outbox.get((seen["service"], seen["id"]))
        if row is None:
            yield f"{seen['to']} {seen['id']} of {seen['service']} was on the wire and never committed"
        elif digest(row["body"]) != seen["body"] and evidence.words(row) == row["body"]:
            yield f"{seen['to']} {seen['id']} was on the wire in other words than committed"
    gone = {identifier for row in evidence.of("rolled_back") for identifier in row["ids"]}
    heard = {row["message_id"] for messages in evidence.inbox.values() for row in messages}
    for identifier in sorted(gone & (heard | {message for _, message in evidence.outbox})):
        yield f"message {identifier} was rolled back and is there"


def not_exactly_once(evidence: Evidence) -> Iterator[str]:
    """Each message has one settled delivery for each of its handlers, and one effect."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for project, deliveries in evidence.deliveries.items():
        for row in deliveries:
            if row["status"] in SETTLED:
                found[project, row["service_id"], row["message_id"], row["handler"]] += 1
    expected: set[tuple[str, str, str, str]] = set()
    for (service, message), row in evidence.outbox.items():
        for handler in evidence.handlers:
            if _goes_to(row, handler, evidence) and not _is_excused(row, handler, evidence):
                expected.add((handler["project"], service, message, handler["handler"]))
    for place in sorted(expected):
        if not found[place]:
            yield f"{place[0]}: {place[3]} never handled {place[2]} of {place[1]}"
    for place, count in found.items():
        if count > 1:
            yield f"{place[0]}: {place[3]} handled {place[2]} of {place[1]} {count} times"
    yield from _history_not_once(evidence)


def _is_excused(message: Row, handler: Row, evidence: Evidence) -> bool:
    """The sender does not know the handler, and the handler's queue was not bound at the time."""
    return bool(handler.get("outside_contracts")) and evidence.was_unbound(message, handler["project"])


def _goes_to(message: Row, handler: Row, evidence: Evidence) -> bool:
    if message["kind"] != handler["kind"]:
        return False
    if message["kind"] == "event":
        return topic_matches(handler["name"], message["name"])
    return (
        handler["name"] == message["name"]
        and evidence.projects.get(message["destination"]) == handler["project"]
    )


def _history_not_once(evidence: Evidence) -> Iterator[str]:
    written = {
        (row["message_id"], row["order_id"]): row["lines"]
        for row in evidence.rows(
            "orders",
            "SELECT message_id, order_id::text, count(*) AS lines FROM orders_ordertransition "
            "WHERE message_id <> '' GROUP BY 1, 2",
        )
    }
    for (message, order), lines in written.items():
        if lines > 1:
            yield f"message {message} took effect {lines} times on order {order}"
    effective = {message for message, _ in written}
    for row in evidence.deliveries["orders"]:
        writes = row["status"] == "done" and row["name"].startswith(WRITES_HISTORY)
        if writes and row["message_id"] not in effective:
            yield f"{_said(row)} is done and left nothing in any order"


def out_of_order(evidence: Evidence) -> Iterator[str]:
    """The messages of a key were first published in sequence, and those of a lane handled by position."""
    last: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, str]] = set()
    for row in evidence.wire or ():
        if row["key"] and (row["service"], row["id"]) not in seen:
            seen.add((row["service"], row["id"]))
            lane = row["service"], row["key"]
            if row["seq"] < last.get(lane, 0):
                yield f"{row['service']}, key {row['key']}: {row['seq']} after {last[lane]} on the wire"
            last[lane] = max(row["seq"], last.get(lane, 0))
    for project, deliveries in evidence.deliveries.items():
        lanes: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in deliveries:
            if row["lane"] and row["status"] in SETTLED and row["claimed_at"]:
                lanes[row["handler"], row["lane"]].append(row)
        for (handler, name), rows in lanes.items():
            rows.sort(key=lambda row: row["position"])
            for before, after in pairwise(rows):
                # If the earlier message was there when the later one began, it must have ended before.
                if before["created_at"] < after["claimed_at"] < before["finished_at"]:
                    places = f"{after['position']} before {before['position']}"
                    yield f"{project}: {handler} ran {places} of {name}"


def blocked(evidence: Evidence) -> Iterator[str]:
    """No due delivery waits, except behind a dead letter of its lane. All work ended in time."""
    for row in evidence.of("bewildered"):
        yield f"a customer gave up: {row['error']}"
    if evidence.end and not evidence.end["ready"]:
        yield "not every process came back"
    if evidence.end and evidence.end["settled_after_s"] is None:
        yield "the platform did not come to rest in time after the faults had ended"
    for project, deliveries in evidence.deliveries.items():
        dead = {
            (row["handler"], row["lane"]) for row in deliveries if row["status"] == "dead" and row["lane"]
        }
        for row in deliveries:
            if row["status"] in OPEN and not row["token"] and (row["handler"], row["lane"]) not in dead:
                yield f"{project}: {row['handler']} of {_said(row)} is {row['status']}"


def attempts_wasted(evidence: Evidence) -> Iterator[str]:
    """No delivery has more attempts than its policy, outages count none, and no well-formed message died."""
    most = {(row["project"], row["handler"]): row["attempts"] for row in evidence.handlers}
    for project, deliveries in evidence.deliveries.items():
        for row in deliveries:
            # When the last attempt died with its worker, one more attempt is counted and not run.
            if row["attempts"] > most.get((project, row["handler"]), 0) + 1:
                yield f"{project}: {row['handler']} of {row['message_id']} had {row['attempts']} attempts"
            if row["status"] == "dead" and not evidence.is_poison(row["message_id"]):
                yield f"{project}: {row['handler']} of {_said(row)} is dead: {row['error']}"
    for (service, message), row in evidence.outbox.items():
        if row["attempts"]:
            yield f"{service}: {row['name']} {message} was refused {row['attempts']} times"


def poison_astray(evidence: Evidence) -> Iterator[str]:
    """Each poison is at its place once. Quarantine holds nothing else."""
    quarantined: Counter[str] = Counter()
    for project in evidence.projects.values():
        for row in evidence.rows(
            project, "SELECT id, encode(body, 'hex') AS body, reason FROM atoll_bus_quarantine"
        ):
            token = _token_in(bytes.fromhex(row["body"]), evidence)
            if token is None:
                yield f"{project}: quarantine {row['id']} is no poison: {row['reason']}"
            else:
                quarantined[token] += 1
    dead: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    for project, messages in evidence.inbox.items():
        stored.update(row["message_id"] for row in messages if evidence.is_poison(row["message_id"]))
        dead.update(row["message_id"] for row in evidence.deliveries[project] if row["status"] == "dead")
    for token, poison in evidence.poison.items():
        places = {
            "quarantine": (quarantined[token], stored[token]) == (1, 0),
            "held": quarantined[token] + dead[token] == 1,
            "kept": quarantined[token] + stored[token] == 1,
        }
        if not places[poison["expected"]]:
            yield (
                f"{poison['sort']} for {poison['project']} ({token}): {quarantined[token]} in quarantine, "
                f"{stored[token]} in inboxes, {dead[token]} dead; expected {poison['expected']}"
            )


def _token_in(body: bytes, evidence: Evidence) -> str | None:
    start = body[:4096]
    return next((token for token in evidence.poison if token.encode() in start), None)


def replay_took_effect(evidence: Evidence) -> Iterator[str]:
    """A replay of a settled delivery changed nothing in its row. Other checks cover the effects."""
    for replayed in evidence.of("replayed"):
        now = {row["id"]: row for row in evidence.deliveries[replayed["project"]]}
        for identifier, attempts, finished_at in replayed["rows"]:
            row = now.get(identifier)
            if row is None or [str(row["attempts"]), str(row["finished_at"])] != [attempts, finished_at]:
                yield f"{replayed['project']}: delivery {identifier} changed when it was run again"


def queue_not_empty(evidence: Evidence) -> Iterator[str]:
    """No message waits at the broker: no hint, no event or command, no copy of the mirror."""
    port = evidence.run["amqp_port"]
    if not port:
        return
    queues = [
        "chaos.mirror",
        *(f"{kind}.{name}" for name in evidence.projects for kind in ("evt", "cmd", "work")),
    ]
    with pika.BlockingConnection(
        pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{port}/%2F")
    ) as connection:
        for queue in queues:
            try:
                waiting = connection.channel().queue_declare(queue, passive=True).method.message_count
            except ChannelClosed:
                continue
            if waiting:
                yield f"{waiting} messages wait in {queue}"


def correlation_lost(evidence: Evidence) -> Iterator[str]:
    """A message keeps its correlation id from hop to hop. The ids of an order come from requests about it."""
    for project, messages in evidence.inbox.items():
        for message in messages:
            row = evidence.outbox.get((message["service_id"], message["message_id"]))
            if row and row["correlation_id"] != message["correlation_id"]:
                yield f"{project}: {message['name']} {message['message_id']} came with another correlation id"
    heard = {row["message_id"]: row["correlation_id"] for row in evidence.inbox["orders"]}
    asked: dict[str, set[str]] = defaultdict(set)
    for line in evidence.rows(
        "orders", "SELECT order_id::text, event, message_id, correlation_id FROM orders_ordertransition"
    ):
        if not line["message_id"] or line["event"] == "user.deleted":
            asked[line["order_id"]].add(line["correlation_id"])
        if line["message_id"] and heard.get(line["message_id"]) != line["correlation_id"]:
            yield f"order {line['order_id']}: {line['event']} has another correlation id than its message"
    for (service, message), row in evidence.outbox.items():
        if row["key"] in asked and row["correlation_id"] not in asked[row["key"]]:
            yield f"{service}: {row['name']} {message} of order {row['key']} has a correlation id of its own"
