"""Rules of notifications: a beginning and an end are told once, within bounds, and nothing is lost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from registry.console.figures import store as figures
from registry.failing import store as failing
from registry.failing.report import read
from registry.models import Incident, Instance, Lease, Notification, NotificationRule
from registry.notifications import incidents, judge
from registry.notifications.judge import END_AFTER, PER_MINUTE
from registry.tests.test_failing import cause, told
from registry.usecases.drain import drain

pytestmark = pytest.mark.django_db

Kind = NotificationRule.Kind
BEGIN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def rule(kind=Kind.FAILING, **fields):
    values = {"name": f"rule {NotificationRule.objects.count()}", "url": "https://hooks.example/x"}
    return NotificationRule.objects.create(kind=kind, is_active=True, secret="s" * 16, **(values | fields))


def report(*causes, service="order-service"):
    """What the workers tell now. A later call takes the place of an earlier one."""
    report.at = getattr(report, "at", 0) + 0.01
    assert failing.replace(read(told(*causes, at=report.at, serviceName=service)))


class Clock:
    """Judges the active rules at times of the test."""

    def __init__(self):
        self.now = BEGIN

    def after(self, seconds=0):
        """The events and titles that were written by now, at this moment."""
        self.now += timedelta(seconds=seconds)
        known = set(Notification.objects.values_list("pk", flat=True))
        judge.step(list(NotificationRule.objects.filter(is_active=True)), self.now)
        fresh = Notification.objects.exclude(pk__in=known).order_by("pk")
        fresh.update(created_at=self.now)
        return [(one.event, one.title) for one in fresh]


@pytest.fixture
def clock():
    return Clock()


def test_without_a_rule_nothing_is_followed(clock):
    report(cause("a"))
    assert clock.after() == []
    assert not Incident.objects.exists()


def test_a_rule_that_is_not_active_tells_nothing_and_forgets(clock):
    report(cause("a"))
    one = rule()
    clock.after()
    assert Incident.objects.count() == 1
    NotificationRule.objects.filter(pk=one.pk).update(is_active=False)
    assert clock.after(3600) == []
    assert not Incident.objects.exists()
    assert not NotificationRule(name="x").is_active


def test_a_beginning_and_an_end_are_told_once(clock):
    rule()
    report(cause("KeyError: 'carrier' in services.orders.handlers.on_paid: read(data)"))
    [(event, title)] = clock.after()
    assert "in services.orders.handlers.on_paid: read(data)" in Notification.objects.get().text
    assert (event, title) == ("begun", "order-service: payment.completed fails, KeyError: 'carrier'")
    assert clock.after(2) == clock.after(3600) == []
    report()
    assert clock.after(2) == []  # it may be back in a moment
    [(event, title)] = clock.after(END_AFTER.total_seconds())
    assert (event, title) == ("ended", "Over: order-service: payment.completed fails, KeyError: 'carrier'")
    assert clock.after(3600) == []


def test_a_cause_is_over_when_its_dead_letters_are_decided_and_not_when_they_die(clock):
    rule()
    report(cause("a", failing=2))
    assert [event for event, _ in clock.after()] == ["begun"]
    report(cause("a", failing=0, dead=2))
    assert clock.after(31) == clock.after(3600) == []
    report()
    assert [event for event, _ in clock.after(31)] == ["ended"]


def test_messages_that_die_at_their_first_attempt_are_told(clock):
    rule()
    report(cause("a", failing=0, dead=1))
    assert [event for event, _ in clock.after()] == ["begun"]
    assert "0 failing, 1 dead" in Notification.objects.get().text


def test_what_comes_and_goes_is_told_again_after_the_time_of_the_rule_alone(clock):
    rule(repeat_after_min=10)
    report(cause("a"))
    assert [event for event, _ in clock.after()] == ["begun"]
    for _ in range(3):
        report()
        clock.after(1)
        told_ends = clock.after(31)
        report(cause("a"))
        assert clock.after(1) == []
        assert len(told_ends) <= 1
    assert [event for event, _ in clock.after(600)] == ["begun"]  # it lasts still
    kinds = list(Notification.objects.order_by("pk").values_list("event", flat=True))
    assert kinds == ["begun", "ended", "begun"]


def test_what_does_not_last_long_enough_is_not_told(clock):
    rule(lasts_s=60)
    report(cause("a"))
    assert clock.after() == clock.after(59) == []
    assert [event for event, _ in clock.after(1)] == ["begun"]
    report(cause("b"))
    clock.after(1)
    report()
    told_later = [*clock.after(31), *clock.after(31), *clock.after(3600)]
    assert [title for _, title in told_later if "b" in title.rpartition(", ")[2]] == []


def test_a_muted_rule_tells_later_what_still_lasts(clock):
    one = rule(muted_until=BEGIN + timedelta(minutes=10))
    report(cause("gone before"), cause("still there"))
    assert clock.after() == []
    report(cause("still there"))
    assert clock.after(60) == []
    assert [title.rpartition(", ")[2] for _, title in clock.after(600)] == ["still there"]
    NotificationRule.objects.filter(pk=one.pk).update(muted_until=clock.now + timedelta(hours=1))
    report()
    assert clock.after(60) == clock.after(3600) == []


def test_a_storm_is_a_few_notifications_and_one_with_the_rest(clock):
    rule()
    report(*[cause(f"cause {number:02}") for number in range(40)])
    written = clock.after()
    assert len(written) == PER_MINUTE
    assert [event for event, _ in written] == ["begun"] * (PER_MINUTE - 1) + ["more"]
    more = Notification.objects.get(event="more")
    assert more.title == "rule 0: and 31 more"
    assert more.text.count("\n") == judge.NAMED
    assert more.text.endswith("and 11 more")
    assert clock.after(2) == []

    report(*[cause(f"cause {number:02}") for number in range(45)])
    assert clock.after(10) == []  # the minute is full
    assert len(clock.after(60)) == 5
    report()
    ends = clock.after(31)  # half a minute has five places left
    assert [event for event, _ in ends] == ["ended"] * 4 + ["more"]
    assert ends[-1][1] == "rule 0: and 41 more"
    assert clock.after(120) == []


def test_a_queue_that_is_full_takes_no_more(clock, monkeypatch):
    monkeypatch.setattr(judge, "MAX_WAITING", 2)
    rule()
    report(cause("a"), cause("b"))
    assert len(clock.after()) == 2
    report(cause("a"), cause("b"), cause("c"))
    assert clock.after(120) == []
    Notification.objects.update(state="sent")
    assert [title.rpartition(", ")[2] for _, title in clock.after(2)] == ["c"]


def test_a_rule_for_one_service_follows_that_service(clock):
    rule(service="payment-service")
    report(cause("a"), service="order-service")
    assert clock.after() == []
    report(cause("b"), service="payment-service")
    assert len(clock.after()) == 1


def test_a_service_without_a_healthy_process_is_down(clock, put):
    rule(Kind.DOWN)
    put("o-1")
    put("o-2")
    put("w-1", service="order-service.worker", port=0)
    assert clock.after() == []
    drain(Instance.objects.get(instance_id="o-1"), actor="test")
    assert clock.after(1) == []
    Lease.objects.filter(instance__instance_id="o-2").update(expires_at=F("expires_at") - timedelta(hours=1))
    assert [title for _, title in clock.after(1)] == ["order-service has no healthy web process"]
    Lease.objects.filter(instance__instance_id="w-1").update(expires_at=F("expires_at") - timedelta(hours=1))
    assert [title for _, title in clock.after(1)] == ["order-service has no healthy worker"]
    Instance.objects.all().delete()  # it was taken down for good
    assert [event for event, _ in clock.after(31)] == ["ended", "ended"]


@pytest.mark.parametrize(
    ("kind", "gauge", "value", "title"),
    [
        (Kind.BREAKER, "breaker", 2.0, "The gateway's circuit breaker of s is open"),
        (Kind.BACKLOG, "oldest due", 90.0, "s: the oldest message to deliver waits for 90 s"),
        (Kind.BACKLOG, "oldest to publish", 61.0, "s: the oldest message to publish waits for 61 s"),
        (Kind.ATTENTION, "needs attention order", 1.0, "s: 1 order needs attention"),
        (Kind.ATTENTION, "needs attention order", 3.0, "s: 3 orders need attention"),
    ],
)
def test_a_figure_beyond_its_limit_begins_and_ends(clock, kind, gauge, value, title):
    rule(kind, limit_s=60)
    good = {"breaker": 1.0, "oldest due": 60.0, "oldest to publish": 0.0}.get(gauge, 0.0)
    figures.add({}, {("s", gauge): good, ("s", "in flight"): 1000.0})
    assert clock.after() == []
    figures.add({}, {("s", gauge): value})
    assert clock.after(1) == [("begun", title)]
    figures.add({}, {("s", gauge): good})
    assert clock.after(31) == [("ended", f"Over: {title}")]


def test_a_title_is_one_line_of_bounded_length(clock):
    rule()
    report(cause("a\r\nBcc: x@example.com\n" + "x" * 400))
    [(_, title)] = clock.after()
    assert "\n" not in title
    assert "\r" not in title
    assert len(title) == 300


def test_old_rows_are_forgotten_and_a_time_to_tell_again_is_kept(clock, monkeypatch):
    monkeypatch.setattr(judge, "_database_now", lambda: clock.now)
    long, short = rule(repeat_after_min=3 * 24 * 60), rule()
    report(cause("a"))
    clock.after()
    report()
    clock.after(31)
    clock.now += timedelta(days=2)
    judge.forget_old()
    assert list(Incident.objects.values_list("rule", flat=True)) == [long.pk]
    assert Notification.objects.filter(rule=short).count() == 2
    clock.now += timedelta(days=6)
    judge.forget_old()
    assert not Notification.objects.exists()


def test_each_kind_has_a_source():
    assert set(incidents.SOURCES) == set(Kind.values)
