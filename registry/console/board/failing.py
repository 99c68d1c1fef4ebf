"""What fails now, for the board: one block for each cause, with its consequences and the way to mend it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from atoll import conf, money
from registry.console.admins import admin_page
from registry.failing import store
from registry.models import FailingCause
from registry.templatetags.console import age

SHOWN = 10


@dataclass(frozen=True)
class Block:
    """``stakes`` and ``lateness`` are sentences. ``lateness`` names deadlines that will be missed."""

    cause: FailingCause
    handler: str
    next_in: str
    dead_in: str
    stakes: list[str] = field(default_factory=list)
    lateness: list[str] = field(default_factory=list)
    group_url: str = ""
    sample_url: str = ""


def blocks(now: datetime | None = None) -> tuple[list[Block], bool]:
    """At most SHOWN causes, in the order of ``store.causes``, and whether there are more."""
    now = now or timezone.now()
    projects = {project.service: name for name, project in conf.projects().items()}
    found = list(store.causes(SHOWN + 1))
    return [_block(one, projects.get(one.service, ""), now) for one in found[:SHOWN]], len(found) > SHOWN


def _block(one: FailingCause, project: str, now: datetime) -> Block:
    group = urlencode({"handler": one.handler, "name": one.name, "group": one.cause})
    group_page = admin_page(project, "atoll_bus/dead-letters/group/") if project else ""
    return Block(
        cause=one,
        handler=one.handler.rpartition(".")[2],
        next_in=_from_now(one.next_at, now) if one.failing else "",
        dead_in=_from_now(one.dead_at, now) if one.failing else "",
        stakes=[*_things(one), *_behind(one)],
        lateness=list(_lateness(one, now)),
        group_url=f"{group_page}?{group}" if group_page else "",
        sample_url=admin_page(project, f"atoll_bus/delivery/{one.sample}/change/") if project else "",
    )


def _things(one: FailingCause) -> list[str]:
    least = "at least " if one.is_cut else ""
    sentences = []
    for things in one.things:
        sums = ", ".join(_amount(sum_) for sum_ in things.get("amounts", ()))
        number = things["count"]
        name = things["name"].removesuffix("s") if number == 1 else things["name"]
        sentences.append(f"{least}{number:,} {name}" + (f" of {sums}" if sums else ""))
    return sentences


def _amount(told: dict[str, Any]) -> str:
    return money.text(Decimal(str(told["amount"])), told["currency"])


def _behind(one: FailingCause) -> list[str]:
    if not one.behind:
        return []
    return [
        f"{one.behind:,} {'delivery waits' if one.behind == 1 else 'deliveries wait'} behind in its lanes"
    ]


def _lateness(one: FailingCause, now: datetime) -> Any:
    """A timer is too early when it fires before the next attempt. Dead letters have no next attempt."""
    for timer in one.timers:
        first_at = parse_datetime(timer["first_at"])
        if first_at is not None and (one.next_at is None or first_at < one.next_at):
            when = _from_now(first_at, now)
            before = "before the next attempt" if one.next_at else "and no attempt follows"
            yield f"{timer['name']} fires {when} for {timer['count']:,}, {before}"


def _from_now(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    seconds = (moment - now).total_seconds()
    return "now" if seconds < 1 else f"in {age(seconds)}"
