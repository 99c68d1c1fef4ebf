"""What holds now: the incidents of each kind, from the tables of the registry."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from registry.console.board.rows import service_rows
from registry.console.figures import store as figures
from registry.models import FailingCause
from registry.notification_models import NotificationRule

Kind = NotificationRule.Kind
# The most incidents of a kind that are looked at.
MOST = 300
BREAKER_OPEN = 2
AGES = {"oldest due": "deliver", "oldest to publish": "publish"}
ATTENTION = "needs attention "
KINDS_OF_INSTANCES = {"web": "web process", "worker": "worker"}


@dataclass(frozen=True)
class Found:
    """``key`` names it among those of its kind. ``age_s`` is the age of a backlog."""

    key: str
    service: str
    title: str
    text: str = ""
    age_s: float = 0.0


def failing() -> Iterator[Found]:
    """Dead letters count, too: they wait for a decision, and nothing is over when all messages are dead."""
    for one in FailingCause.objects.order_by("pk")[:MOST]:
        counts = f"{one.failing:,} failing, {one.dead:,} dead"
        held_up = ", ".join(f"{things['count']:,} {things['name']}" for things in one.things)
        text = f"{one.cause}\n{one.name} in {one.handler}\n{counts}" + (
            f"\nHeld up: {held_up}" if held_up else ""
        )
        # The line of code is in the text. A subject of a mail is short.
        title = f"{one.service}: {one.name} fails, {one.cause.partition(' in ')[0]}"
        yield Found(f"{one.service}/{one.fingerprint}", one.service, title, text)


def down() -> Iterator[Found]:
    """Services of which a kind of process is registered and not one is healthy."""
    for row in service_rows():
        for kind, named in KINDS_OF_INSTANCES.items():
            statuses = [one.status for one in row.instances if one.kind == kind]
            if statuses and "healthy" not in statuses:
                text = f"{len(statuses)} registered: {', '.join(sorted(set(statuses)))}"
                yield Found(f"{row.name}/{kind}", row.name, f"{row.name} has no healthy {named}", text)


def breakers() -> Iterator[Found]:
    for (service, name), value in figures.gauges().items():
        if name == "breaker" and value >= BREAKER_OPEN:
            yield Found(service, service, f"The gateway's circuit breaker of {service} is open")


def backlogs() -> Iterator[Found]:
    for (service, name), age_s in figures.gauges().items():
        if name in AGES:
            title = f"{service}: the oldest message to {AGES[name]} waits for {age_s:,.0f} s"
            yield Found(f"{service}/{name}", service, title, age_s=age_s)


def attention() -> Iterator[Found]:
    for (service, name), count in figures.gauges().items():
        if name.startswith(ATTENTION) and count:
            thing = name.removeprefix(ATTENTION)
            named = f"1 {thing} needs" if count == 1 else f"{count:,.0f} {thing}s need"
            yield Found(f"{service}/{thing}", service, f"{service}: {named} attention")


SOURCES: dict[str, Callable[[], Iterable[Found]]] = {
    Kind.FAILING: failing,
    Kind.DOWN: down,
    Kind.BREAKER: breakers,
    Kind.BACKLOG: backlogs,
    Kind.ATTENTION: attention,
}


def now(kinds: Iterable[str]) -> dict[str, list[Found]]:
    """The incidents of these kinds, each source read once."""
    return {kind: list(SOURCES[kind]()) for kind in set(kinds)}


def of_rule(rule: NotificationRule, found: dict[str, list[Found]]) -> dict[str, Found]:
    """The incidents that the rule follows, by their keys."""
    return {
        one.key[:200]: one
        for one in found[rule.kind]
        if rule.service in ("", one.service) and (rule.kind != Kind.BACKLOG or one.age_s > rule.limit_s)
    }
