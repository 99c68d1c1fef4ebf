"""Rules in the admin: checked, never shown with their secrets, tested and muted with a question."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from registry.models import Notification, NotificationRule
from registry.notifications import sending

pytestmark = pytest.mark.django_db

PAGE = "/admin/registry/notificationrule/"
SECRET = "the-secret-of-a-webhook-in-tests"
FORM = {
    "name": "hook",
    "kind": "failing",
    "service": "",
    "limit_s": "60",
    "lasts_s": "0",
    "repeat_after_min": "60",
    "channel": "webhook",
    "url": "https://hooks.example/T000/token",
    "secret": SECRET,
    "recipients": "",
    "muted_until_0": "",
    "muted_until_1": "",
}


@pytest.fixture
def rule(db):
    return NotificationRule.objects.create(
        name="hook", kind="failing", url=FORM["url"], secret=SECRET, is_active=True
    )


def page(rule, act="change"):
    return f"{PAGE}{rule.pk}/{act}/"


def test_an_administrator_adds_a_rule_that_is_not_active(chief):
    assert chief.post(f"{PAGE}add/", FORM).status_code == 302
    made = NotificationRule.objects.get()
    assert (made.name, made.is_active, made.secret) == ("hook", False, SECRET)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"url": "ftp://hooks.example/"}, "begins with http:// or https://"),
        ({"url": "https://a:b@hooks.example/"}, "must not contain a password"),
        ({"secret": "short"}, "a secret of at least 16 characters"),
        ({"channel": "email"}, "Email needs 1 to 10 addresses"),
        ({"channel": "email", "recipients": "ada@example.com, bo"}, "bo is no email address"),
        ({"channel": "email", "recipients": ",".join(f"a{n}@x.example" for n in range(11))}, "1 to 10"),
        ({"service": "oder-service"}, "No service has registered under this name"),
        ({"service": "order-service.worker"}, "No service has registered under this name"),
        ({"limit_s": "0"}, "greater than or equal to 1"),
        ({"lasts_s": "86401"}, "less than or equal to 86400"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_in_words(chief, put, fields, text):
    put("w-1", service="order-service.worker", port=0)
    answer = chief.post(f"{PAGE}add/", FORM | fields)
    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert not NotificationRule.objects.exists()


def test_a_rule_is_for_a_service_that_has_registered(chief, put):
    put("o-1")
    assert chief.post(f"{PAGE}add/", FORM | {"service": "order-service"}).status_code == 302
    assert NotificationRule.objects.get().service == "order-service"


def test_email_needs_a_mail_server(chief, settings):
    settings.EMAIL_BACKEND = ""
    answer = chief.post(f"{PAGE}add/", FORM | {"channel": "email", "recipients": "ada@example.com"})
    assert "set EMAIL_URL" in answer.content.decode()


def test_a_secret_is_never_shown_and_stays_when_it_is_left_empty(chief, rule):
    assert SECRET not in chief.get(page(rule)).content.decode()
    changed = FORM | {"secret": "", "name": "other", "is_active": "on"}
    assert chief.post(page(rule), changed).status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.secret) == ("other", SECRET)
    assert SECRET not in LogEntry.objects.get().change_message
    assert SECRET not in chief.get(f"{PAGE}export/csv/").getvalue().decode()


def test_an_operator_sees_the_host_of_a_webhook_alone(staff, rule):
    shown = staff.get(page(rule)).content.decode() + staff.get(PAGE).content.decode()
    assert "hooks.example" in shown
    assert "T000" not in shown
    assert staff.post(page(rule), FORM).status_code == 403
    assert staff.get(PAGE, {"url__startswith": "https"}).status_code == 400
    assert "T000" not in staff.get(f"{PAGE}export/json/").getvalue().decode()


@pytest.mark.parametrize(("error", "state"), [("", "sent"), ("It answered 500.", "failed")])
def test_a_test_asks_and_is_sent_at_once_and_its_outcome_is_shown(staff, rule, monkeypatch, error, state):
    asked = []
    monkeypatch.setattr(sending, "attempt", lambda one: asked.append(one.event) or error)
    question = staff.get(page(rule, "test")).content.decode()
    assert "hook, to hooks.example" in question
    assert asked == []
    answer = staff.post(page(rule, "test"), {"confirmed": "Send a test"}, follow=True)
    assert (error or "has taken the test") in answer.content.decode()
    assert asked == ["test"]
    one = Notification.objects.get()
    assert (one.state, one.attempts, one.error) == (state, 1, error)
    assert "tested" in LogEntry.objects.get().change_message
    assert error in staff.get("/admin/registry/notification/").content.decode()
    assert staff.get(f"/admin/registry/notification/{one.pk}/change/").status_code == 200


def test_an_operator_mutes_a_rule_for_an_hour_and_unmutes_it(staff, rule):
    assert "For an hour this rule tells nobody" in staff.get(page(rule, "mute")).content.decode()
    staff.post(page(rule, "mute"))
    rule.refresh_from_db()
    assert rule.muted_until is None
    staff.post(page(rule, "mute"), {"confirmed": "Mute"})
    rule.refresh_from_db()
    assert timedelta(minutes=59) < rule.muted_until - timezone.now() <= timedelta(hours=1)
    shown = staff.get(page(rule)).content.decode()
    assert "Unmute…" in shown
    assert "Mute for an hour…" not in shown
    staff.post(page(rule, "unmute"), {"confirmed": "Unmute"})
    rule.refresh_from_db()
    assert rule.muted_until is None
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
        "muted for an hour",
        "unmuted",
    ]


def test_switching_a_rule_off_asks_first(chief, rule):
    answer = chief.post(page(rule), FORM)
    assert "Nobody is told by this rule any more" in answer.content.decode()
    rule.refresh_from_db()
    assert rule.is_active


def test_a_rule_that_is_gone_is_not_found(staff):
    assert staff.get(f"{PAGE}999/test/").status_code == 404
