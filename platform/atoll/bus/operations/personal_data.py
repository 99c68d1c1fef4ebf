"""Forgetting a person in the messages that a service keeps.

Events name their personal fields (``personal`` in their class). When an account is deleted, its id is
noted in the transaction that hears of it; the janitor then takes these fields out of every message
about that account: in the inbox, the outbox, edited bodies, what failed with them, the log of
edits, and quarantine. A message keeps its form, so that a replay can still read it.

The tables have no index for this, because every message would pay for it: one scan serves all
accounts that were deleted meanwhile, MAX_SUBJECTS at most, and is repeated for a day, since a broker may
bring an older message late.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
from django.db.models.functions import Now

from atoll import wire
from atoll.bus import contracts
from atoll.bus.handlers import registry
from atoll.bus.models import Delivery, Forgotten, Inbox, Outbox
from atoll.bus.schemas import definitions

MAX_SUBJECTS = 50
LATE_S = 86_400.0
AGAIN_AFTER_S = 600.0
EMPTIED = "Emptied: it named an account that was deleted."

DUE = """
SELECT subject FROM atoll_bus_forgotten
WHERE done_at IS NULL
   OR done_at < at + make_interval(secs => %(late_s)s)
      AND done_at < statement_timestamp() - make_interval(secs => %(again_s)s)
ORDER BY done_at NULLS FIRST, at LIMIT %(limit)s
"""
# A message that has not left yet is needed as it is; a later scan finds it published.
FIND = """
SELECT id FROM {table} WHERE {which} AND body ILIKE ANY(%(patterns)s)
"""
EDITED = """
SELECT delivery.id FROM atoll_bus_delivery AS delivery
JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id
WHERE delivery.edited_body <> '' AND message.name = ANY(%(names)s)
  AND delivery.edited_body ILIKE ANY(%(patterns)s)
"""
# What failed with a message may quote it; the name of the cause does not.
QUIET = """
UPDATE atoll_bus_delivery SET traceback = '', error = error_group
WHERE message_id = ANY(%(ids)s) AND status <> 'discarded' AND (traceback <> '' OR error <> error_group)
"""
QUARANTINE = """
UPDATE atoll_bus_quarantine SET body = '', is_cut = TRUE, note = %(note)s
WHERE position(convert_to(%(subject)s, 'UTF8') IN body) > 0
"""


@dataclass(frozen=True)
class Marks:
    """Of one event or command: whose it is and which of its fields are personal, as on the wire."""

    subject: str
    fields: frozenset[str]


def forget(subject: UUID | str) -> None:
    """Note that messages about this person are to be emptied; the janitor does it within a minute or so.

    Belongs in the transaction of the change. Doing it again empties again what came since.
    """
    Forgotten.objects.update_or_create(subject=str(subject), defaults={"at": Now(), "done_at": None})


def is_forgotten(subject: UUID | str) -> bool:
    """Whether this service has heard that the account was deleted."""
    return Forgotten.objects.filter(subject=str(subject)).exists()


def is_due() -> bool:
    return bool(_due())


def clean() -> int:
    """Empty the messages about everybody who is to be forgotten; how many messages changed."""
    subjects = _due()
    if not subjects:
        return 0
    known = marks()
    changed = len(_empty_inbox(subjects, known)) + _empty_outbox(subjects, known)
    for subject in subjects:
        with connection.cursor() as cursor:
            cursor.execute(QUARANTINE, {"subject": subject, "note": EMPTIED})
            changed += cursor.rowcount
    Forgotten.objects.filter(subject__in=subjects).update(done_at=Now())
    return changed


def marks() -> dict[str, Marks]:
    """By the names of messages: as the document says, and the classes of this project."""
    found: dict[str, Marks] = {}
    for definition in contracts.document() or []:
        if definition.personal:
            _add(found, definition.name, definition.subject, definition.personal)
    named = [(name, cls) for cls in definitions.classes(definitions.event_modules()) for name in _names(cls)]
    named += [(handler.name, handler.payload_type) for handler in registry.handlers()]
    for name, cls in named:
        subject, fields = definitions.personal_of(cls)
        if fields:
            _add(found, name, subject, fields)
    return found


def _names(cls: type) -> Iterator[str]:
    for variable in ("type", "command"):
        if isinstance(name := getattr(cls, variable, None), str):
            yield name


def _add(found: dict[str, Marks], name: str, subject: str, fields: Iterable[str]) -> None:
    held = found.get(name)
    found[name] = Marks(subject, frozenset(fields) | (held.fields if held else frozenset()))


def _due() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"late_s": LATE_S, "again_s": AGAIN_AFTER_S, "limit": MAX_SUBJECTS})
        return [row[0] for row in cursor.fetchall()]


def _empty_inbox(subjects: list[str], known: dict[str, Marks]) -> list[int]:
    which = "name = ANY(%(names)s)"
    emptied = [
        row_id
        for row_id in _found(FIND.format(table="atoll_bus_inbox", which=which), subjects, known)
        if _empty(Inbox, "body", row_id, subjects, known)
    ]
    edited = [
        row_id
        for row_id in _found(EDITED, subjects, known)
        if _empty(Delivery, "edited_body", row_id, subjects, known)
    ]
    messages = [*emptied, *Delivery.objects.filter(pk__in=edited).values_list("message_id", flat=True)]
    if messages:
        with connection.cursor() as cursor:
            cursor.execute(QUIET, {"ids": messages})
        _shorten_log(Delivery.objects.filter(message_id__in=messages).values_list("pk", flat=True))
    return messages


def _empty_outbox(subjects: list[str], known: dict[str, Marks]) -> int:
    which = "status <> 'pending' AND name = ANY(%(names)s)"
    rows = _found(FIND.format(table="atoll_bus_outbox", which=which), subjects, known)
    return sum(_empty(Outbox, "body", row_id, subjects, known) for row_id in rows)


def _found(sql: str, subjects: list[str], known: dict[str, Marks]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"names": list(known), "patterns": [f"%{_literal(one)}%" for one in subjects]})
        return [row[0] for row in cursor.fetchall()]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _empty(model: Any, column: str, row_id: Any, subjects: list[str], known: dict[str, Marks]) -> bool:
    """Take the personal fields out of one body; False when it is about somebody else, or was empty."""
    with transaction.atomic():
        body = (
            model.objects.select_for_update(of=("self",))
            .filter(pk=row_id)
            .values_list(column, flat=True)
            .first()
        )
        emptied = body and without_personal(body, subjects, known)
        if not emptied or emptied == body:
            return False
        model.objects.filter(pk=row_id).update(**{column: emptied})
    return True


def without_personal(body: str, subjects: Iterable[str], known: dict[str, Marks]) -> str | None:
    """The same envelope without personal values; None when it is not about one of these people."""
    envelope: dict[str, Any] = wire.loads(body.encode())
    data = envelope.get("data")
    held = known.get(envelope.get("eventType") or envelope.get("command") or "")
    if held is None or not isinstance(data, dict) or str(data.get(held.subject)).lower() not in subjects:
        return None
    emptied = {name: _nothing(value) if name in held.fields else value for name, value in data.items()}
    return body if emptied == data else wire.dumps({**envelope, "data": emptied}).decode()


def _nothing(value: Any) -> Any:
    """What is read like the value and tells nothing."""
    if isinstance(value, str | dict | list):
        return type(value)()
    return None


def _shorten_log(deliveries: Iterable[UUID]) -> None:
    """What an edit changed is told line by line in the admin's log; who decided it and why stays."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentType

    kind = ContentType.objects.get_for_model(Delivery)
    entries = LogEntry.objects.filter(content_type=kind, object_id__in=[str(one) for one in deliveries])
    for entry in entries.filter(change_message__contains="\n"):
        decided = entry.change_message.partition("\n")[0]
        entry.change_message = f"{decided} ({EMPTIED})"
        entry.save(update_fields=["change_message"])
