"""Erasing a person's data from the messages that a service keeps.

The class variable ``personal`` of an event names its personal fields. The transaction that deletes an
account, or handles the event of its deletion, calls ``forget``. The janitor then erases the personal
fields of every message about the account: in the inbox, the outbox, edited bodies, errors and
tracebacks, the log of edits, and quarantine. A message keeps its structure, so a replay can read it.

No index supports the search, because every message would pay for the index. One scan serves at most
MAX_SUBJECTS accounts. The scan is repeated for a day, since a broker can deliver an older message late.
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

__all__ = ["PersonalFields", "forget", "is_forgotten", "personal_fields", "without_personal_data"]

MAX_SUBJECTS = 50
LATE_S = 86_400.0
AGAIN_AFTER_S = 600.0
ERASED = "Erased: it named an account that was deleted."

DUE = """
SELECT subject FROM atoll_bus_forgotten
WHERE done_at IS NULL
   OR done_at < at + make_interval(secs => %(late_s)s)
      AND done_at < statement_timestamp() - make_interval(secs => %(again_s)s)
ORDER BY done_at NULLS FIRST, at LIMIT %(limit)s
"""
RECEIVED = """
SELECT id FROM atoll_bus_inbox WHERE name = ANY(%(names)s) AND body ILIKE ANY(%(patterns)s)
"""
# A pending outbox row must go out unchanged; a later scan finds it published.
PUBLISHED = """
SELECT id FROM atoll_bus_outbox
WHERE status <> 'pending' AND name = ANY(%(names)s) AND body ILIKE ANY(%(patterns)s)
"""
EDITED = """
SELECT delivery.id FROM atoll_bus_delivery AS delivery
JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id
WHERE delivery.edited_body <> '' AND message.name = ANY(%(names)s)
  AND delivery.edited_body ILIKE ANY(%(patterns)s)
"""
# Errors and tracebacks can quote the message; the error's group does not.
ERASE_ERRORS = """
UPDATE atoll_bus_delivery SET traceback = '', error = error_group
WHERE message_id = ANY(%(ids)s) AND status <> 'discarded' AND (traceback <> '' OR error <> error_group)
"""
QUARANTINE = """
UPDATE atoll_bus_quarantine SET body = '', is_cut = TRUE, note = %(note)s
WHERE position(convert_to(%(subject)s, 'UTF8') IN body) > 0
"""


@dataclass(frozen=True)
class PersonalFields:
    """The personal fields of one event or command, and the field with the account's id, as on the wire."""

    subject: str
    fields: frozenset[str]


def forget(subject: UUID | str) -> None:
    """Request the erasure of a person's data; the janitor erases it within about a minute.

    Call it in the transaction of the account's deletion. A further call erases newer messages, too.
    """
    Forgotten.objects.update_or_create(subject=str(subject), defaults={"at": Now(), "done_at": None})


def is_forgotten(subject: UUID | str) -> bool:
    """Whether this service knows that the account was deleted."""
    return Forgotten.objects.filter(subject=str(subject)).exists()


def has_due() -> bool:
    return bool(_due())


def erase_due() -> int:
    """Erase the personal data of all accounts that are due. Returns the number of changed messages."""
    subjects = _due()
    if not subjects:
        return 0
    known = personal_fields()
    changed = len(_erase_in_inbox(subjects, known)) + _erase_in_outbox(subjects, known)
    for subject in subjects:
        with connection.cursor() as cursor:
            cursor.execute(QUARANTINE, {"subject": subject, "note": ERASED})
            changed += cursor.rowcount
    Forgotten.objects.filter(subject__in=subjects).update(done_at=Now())
    return changed


def personal_fields() -> dict[str, PersonalFields]:
    """Return the personal fields by message name, from the document and from this project's classes."""
    found: dict[str, PersonalFields] = {}
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


def _add(found: dict[str, PersonalFields], name: str, subject: str, fields: Iterable[str]) -> None:
    held = found.get(name)
    found[name] = PersonalFields(subject, frozenset(fields) | (held.fields if held else frozenset()))


def _due() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"late_s": LATE_S, "again_s": AGAIN_AFTER_S, "limit": MAX_SUBJECTS})
        return [row[0] for row in cursor.fetchall()]


def _erase_in_inbox(subjects: list[str], known: dict[str, PersonalFields]) -> list[int]:
    erased = [
        row_id
        for row_id in _found(RECEIVED, subjects, known)
        if _erase(Inbox, "body", row_id, subjects, known)
    ]
    edited = [
        row_id
        for row_id in _found(EDITED, subjects, known)
        if _erase(Delivery, "edited_body", row_id, subjects, known)
    ]
    messages = [*erased, *Delivery.objects.filter(pk__in=edited).values_list("message_id", flat=True)]
    if messages:
        with connection.cursor() as cursor:
            cursor.execute(ERASE_ERRORS, {"ids": messages})
        _shorten_log(Delivery.objects.filter(message_id__in=messages).values_list("pk", flat=True))
    return messages


def _erase_in_outbox(subjects: list[str], known: dict[str, PersonalFields]) -> int:
    rows = _found(PUBLISHED, subjects, known)
    return sum(_erase(Outbox, "body", row_id, subjects, known) for row_id in rows)


def _found(sql: str, subjects: list[str], known: dict[str, PersonalFields]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"names": list(known), "patterns": [f"%{_literal(one)}%" for one in subjects]})
        return [row[0] for row in cursor.fetchall()]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _erase(
    model: Any, column: str, row_id: Any, subjects: list[str], known: dict[str, PersonalFields]
) -> bool:
    """Erase the personal fields of one body. Returns False when nothing changed."""
    with transaction.atomic():
        body = (
            model.objects.select_for_update(of=("self",))
            .filter(pk=row_id)
            .values_list(column, flat=True)
            .first()
        )
        erased = body and without_personal_data(body, subjects, known)
        if not erased or erased == body:
            return False
        model.objects.filter(pk=row_id).update(**{column: erased})
    return True


def without_personal_data(body: str, subjects: Iterable[str], known: dict[str, PersonalFields]) -> str | None:
    """Return the envelope without personal values, or None when it is about none of ``subjects``."""
    envelope: dict[str, Any] = wire.loads(body.encode())
    data = envelope.get("data")
    held = known.get(envelope.get("eventType") or envelope.get("command") or "")
    if held is None or not isinstance(data, dict) or str(data.get(held.subject)).lower() not in subjects:
        return None
    erased = {name: _empty_value(value) if name in held.fields else value for name, value in data.items()}
    return body if erased == data else wire.dumps({**envelope, "data": erased}).decode()


def _empty_value(value: Any) -> Any:
    """Return an empty value of the same type, or None."""
    if isinstance(value, str | dict | list):
        return type(value)()
    return None


def _shorten_log(deliveries: Iterable[UUID]) -> None:
    """Remove the diffs of edits from the admin's log. The user and the reason stay."""
    if not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.models import LogEntry
    from django.contrib.contenttypes.models import ContentType

    kind = ContentType.objects.get_for_model(Delivery)
    entries = LogEntry.objects.filter(content_type=kind, object_id__in=[str(one) for one in deliveries])
    for entry in entries.filter(change_message__contains="\n"):
        decided = entry.change_message.partition("\n")[0]
        entry.change_message = f"{decided} ({ERASED})"
        entry.save(update_fields=["change_message"])
