"""What fails now, above the figures of the admin's first page: the causes, before anything dies."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.template.loader import render_to_string

from atoll import money
from atoll.admin import register_front_part
from atoll.bus.admin.dead_letters import group_address
from atoll.bus.admin.deliveries import short_handler_name
from atoll.bus.operations import at_stake, causes
from atoll.bus.operations.at_stake import Question, Stake, Things
from atoll.bus.operations.causes import Cause

SHOWN = 5


@dataclass(frozen=True)
class Row:
    cause: Cause
    stake: Stake
    handler: str
    url: str

    @property
    def held_up(self) -> list[str]:
        """The things of this service that depend on the messages, and the deliveries behind them."""
        found = [_things(one, self.cause) for one in self.stake.things]
        behind = self.cause.behind
        return [*found, f"{behind:,} behind in its lanes"] if behind else found

    @property
    def too_early(self) -> list[tuple[str, int, datetime]]:
        """The timers that fire before the next attempt, or without one."""
        next_at = self.cause.next_at
        return [
            (one.name, one.count, one.first_at)
            for one in self.stake.timers
            if next_at is None or one.first_at < next_at
        ]


def rows(shown: int = SHOWN) -> tuple[list[Row], bool]:
    """The causes with failing deliveries, and whether there are more."""
    found = causes.now_failing()
    failing = [one for one in found.causes if one.failing]
    asked = failing[:shown]
    stakes = at_stake.local(
        [Question(correlation_ids=list(one.correlation_ids), keys=list(one.keys)) for one in asked]
    )
    return [
        Row(one, stake, short_handler_name(one.group.handler), group_address(one.group))
        for one, stake in zip(asked, stakes, strict=True)
    ], len(failing) > shown or found.is_cut


def _things(things: Things, cause: Cause) -> str:
    least = "at least " if cause.is_cut else ""
    sums = ", ".join(money.text(one.amount, one.currency) for one in things.amounts)
    return f"{least}{things.count:,} {things.name}" + (f" of {sums}" if sums else "")


def _render(request: HttpRequest) -> str:
    found, has_more = rows()
    if not found:
        return ""
    return render_to_string("atoll/bus/failing_now.html", {"rows": found, "has_more": has_more}, request)


register_front_part("failing", _render, permission="atoll_bus.view_delivery")
