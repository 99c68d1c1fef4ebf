"""Compares what holds now with what was told, and writes the notifications.

A state is told, and not a change: an incident that could not be told yet (the rule is muted, or has told
too much) is told later if it still lasts. So nothing is lost, and nothing is told twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from registry.notification_models import Incident, Notification, NotificationRule
from registry.notifications import incidents
from registry.notifications.incidents import Found

# An incident ends when it was not seen for so long: a figure may be missing for a moment.
END_AFTER = timedelta(seconds=30)
PER_MINUTE = 10
MAX_WAITING = 200
NAMED = 20
MAX_TITLE = 300
# Ended incidents stay as long as they decide whether a new beginning is told.
KEPT = timedelta(days=1)
NOTIFICATIONS_KEPT = timedelta(days=7)
Event = Notification.Event


def step(rules: Sequence[NotificationRule], now: datetime | None = None) -> int:
    """Write the notifications of the active rules; how many. The clock is the database's."""
    Incident.objects.filter(rule__is_active=False).delete()
    if not rules:
        return 0
    found = incidents.now(rule.kind for rule in rules)
    now = now or _database_now()
    return sum(_judge(rule, incidents.of_rule(rule, found), now) for rule in rules)


def forget_old() -> None:
    now = _database_now()
    Notification.objects.filter(created_at__lt=now - NOTIFICATIONS_KEPT).delete()
    for rule in NotificationRule.objects.all():
        kept = max(KEPT, timedelta(minutes=rule.repeat_after_min))
        rule.incidents.filter(ended_at__lt=now - kept, is_told=False).delete()


def _judge(rule: NotificationRule, holds: dict[str, Found], now: datetime) -> int:
    with transaction.atomic():
        followed = Q(ended_at=None) | Q(is_told=True) | Q(key__in=[*holds])
        known = {one.key: one for one in rule.incidents.filter(followed).order_by("pk")}
        for key, found in holds.items():
            known[key] = _seen(rule, key, found, known.get(key), now)
        rule.incidents.filter(key__in=[*holds]).update(seen_at=now)
        for one in known.values():
            if one.key not in holds and one.ended_at is None and one.seen_at < now - END_AFTER:
                one.ended_at = now
                one.save(update_fields=["ended_at"])
        return _tell(rule, list(known.values()), now)


def _seen(rule: NotificationRule, key: str, found: Found, known: Incident | None, now: datetime) -> Incident:
    if known is None:
        return Incident.objects.create(
            rule=rule, key=key, service=found.service[:80], title=_line(found.title), text=found.text,
            began_at=now, seen_at=now,
        )  # fmt: skip
    known.seen_at = now
    if known.ended_at is not None:
        known.began_at, known.ended_at, known.title, known.text = now, None, _line(found.title), found.text
        known.save(update_fields=["began_at", "ended_at", "title", "text"])
    return known


def _tell(rule: NotificationRule, known: list[Incident], now: datetime) -> int:
    """Write a notification for each beginning and each end, within the bound of a minute."""
    again_before = now - timedelta(minutes=rule.repeat_after_min)
    lasted_since = now - timedelta(seconds=rule.lasts_s)
    begun = [
        one
        for one in known
        if one.ended_at is None
        and not one.is_told
        and one.began_at <= lasted_since
        and (one.told_at is None or one.told_at <= again_before)
    ]
    ended = [one for one in known if one.ended_at is not None and one.is_told]
    if rule.muted_until is not None and rule.muted_until > now:
        _mark(ended, is_told=False)
        return 0
    pending = [*((one, Event.BEGUN) for one in begun), *((one, Event.ENDED) for one in ended)]
    free = _free(rule, now) if pending else 0
    if not pending or free <= 0:
        return 0
    alone = pending if len(pending) <= free else pending[: free - 1]
    rest = pending[len(alone) :]
    written = [_notification(rule, one, event) for one, event in alone]
    if rest:
        written.append(_summary(rule, rest))
    Notification.objects.bulk_create(written)
    _mark(ended, is_told=False)
    for one in begun:
        one.told_at = now
    _mark(begun, is_told=True)
    return len(written)


def _free(rule: NotificationRule, now: datetime) -> int:
    told = rule.notifications.exclude(event=Event.TEST)
    lately = told.filter(created_at__gt=now - timedelta(minutes=1)).count()
    waiting = told.filter(state=Notification.State.WAITING).count()
    return min(PER_MINUTE - lately, MAX_WAITING - waiting)


def _mark(chosen: list[Incident], *, is_told: bool) -> None:
    for one in chosen:
        one.is_told = is_told
    Incident.objects.bulk_update(chosen, ["is_told", "told_at"])


def _notification(rule: NotificationRule, one: Incident, event: str) -> Notification:
    title = one.title if event == Event.BEGUN else _line(f"Over: {one.title}")
    lasted = (
        f"It lasted from {one.began_at:%H:%M:%S} to {one.ended_at:%H:%M:%S} UTC."
        if one.ended_at
        else one.text
    )
    return Notification(rule=rule, event=event, service=one.service, title=title, text=lasted)


def _summary(rule: NotificationRule, rest: list[tuple[Incident, Event]]) -> Notification:
    named = [f"{'Over: ' if event == Event.ENDED else ''}{one.title}" for one, event in rest[:NAMED]]
    if len(rest) > NAMED:
        named.append(f"and {len(rest) - NAMED:,} more")
    return Notification(
        rule=rule, event=Event.MORE, title=f"{rule.name}: and {len(rest):,} more", text="\n".join(named)
    )


def _line(text: str) -> str:
    """One line: a subject of a mail has no line breaks."""
    return " ".join(text.split())[:MAX_TITLE]


def _database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
