"""Webhooks and mails: signed, within bounds of time, repeated, and sent by one process."""

import hashlib
import hmac
import http.server
import json
import threading
from datetime import timedelta

import psycopg2
import pytest
from django.core import mail
from django.db import connection
from django.db.models import F

from registry.models import Notification, NotificationRule
from registry.notifications import judge, sending
from registry.notifications.notifier import LOCK, Notifier
from registry.notifications.sending import MAX_ATTEMPTS, WAITS_S

pytestmark = pytest.mark.django_db

CONSOLE = "https://ops.example/console/"
SECRET = "the-secret-of-a-webhook-in-tests"


@pytest.fixture(autouse=True)
def console(monkeypatch):
    monkeypatch.setenv("CONSOLE_URL", CONSOLE)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes calls and keeps them; answers with the status that a test sets."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.calls, server.status = [], 204
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def rule_for(receiver, **fields):
    url = f"http://127.0.0.1:{receiver.server_port}/hook?team=7"
    values = {"name": "hook", "kind": "failing", "url": url, "secret": SECRET, "is_active": True}
    return NotificationRule.objects.create(**(values | fields))


def waiting(rule, title="It fails", **fields):
    made = Notification.objects.create(rule=rule, event="begun", service="s", title=title, **fields)
    made.refresh_from_db()
    return made


def due():
    """Let the pause until the next attempt be over."""
    Notification.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(hours=2))


def test_a_webhook_gets_signed_json(receiver):
    one = waiting(rule_for(receiver), text="KeyError")
    assert sending.send_due() == 1
    [(path, headers, body)] = receiver.calls
    assert path == "/hook?team=7"
    told = json.loads(body)
    assert told.pop("at").endswith("Z")
    assert told.pop("console") == CONSOLE
    assert told == {
        "id": str(one.pk), "event": "begun", "rule": "hook", "kind": "failing", "service": "s",
        "title": "It fails", "text": "KeyError",
    }  # fmt: skip
    signed = headers["X-Atoll-Timestamp"].encode() + b"." + body
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Atoll-Signature"] == f"sha256={expected}"
    assert headers["X-Atoll-Notification"] == str(one.pk)
    one.refresh_from_db()
    assert (one.state, one.attempts, one.error) == ("sent", 1, "")
    assert one.sent_at is not None
    due()
    assert sending.send_due() == 0
    assert len(receiver.calls) == 1


def test_a_refusal_is_tried_again_with_growing_pauses_and_then_given_up(receiver):
    receiver.status = 500
    one = waiting(rule_for(receiver))
    pauses = []
    for _ in range(MAX_ATTEMPTS):
        before = Notification.objects.get(pk=one.pk).next_attempt_at
        assert sending.send_due() == 1
        one.refresh_from_db()
        pauses.append(round((one.next_attempt_at - before).total_seconds()))
        assert sending.send_due() == 0
        due()
        Notification.objects.update(next_attempt_at=F("created_at"))
    assert pauses == [*WAITS_S, WAITS_S[-1]]
    assert (one.state, one.attempts, one.error) == ("failed", MAX_ATTEMPTS, "It answered 500.")
    assert sending.send_due() == 0
    assert len(receiver.calls) == MAX_ATTEMPTS


def test_a_redirect_is_not_followed(receiver):
    receiver.status = 302
    one = waiting(rule_for(receiver))
    sending.send_due()
    one.refresh_from_db()
    assert (one.state, one.error) == ("waiting", "It answered 302.")
    assert [path for path, _, _ in receiver.calls] == ["/hook?team=7"]


def test_a_receiver_that_is_gone_or_slow_is_an_error_and_delays_no_other(receiver, monkeypatch):
    monkeypatch.setattr(sending, "TIMEOUT", sending.urllib3.Timeout(connect=0.5, read=0.5))
    silent = http.server.HTTPServer(("127.0.0.1", 0), Receiver)  # accepts, and never answers
    gone = waiting(rule_for(receiver, name="gone", url="http://127.0.0.1:1/"))
    slow = waiting(rule_for(receiver, name="slow", url=f"http://127.0.0.1:{silent.server_port}/"))
    good = waiting(rule_for(receiver))
    assert sending.send_due() == 3
    silent.server_close()
    for one in (gone, slow, good):
        one.refresh_from_db()
    assert (gone.state, gone.error) == ("waiting", "It does not answer (NewConnectionError).")
    assert (slow.state, slow.error) == ("waiting", "It does not answer (ReadTimeoutError).")
    assert good.state == "sent"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://a.example/",
        "file:///etc/passwd",
        "https://a:b@c.example/",
        "http://",
        "http://[",
        "http://a\r\nb",
    ],
)
def test_a_url_that_may_not_be_called_is_not_called(receiver, url):
    one = waiting(rule_for(receiver, url=url))
    sending.send_due()
    one.refresh_from_db()
    assert one.state == "waiting"
    assert "URL" in one.error
    assert receiver.calls == []


def test_people_get_a_mail(receiver):
    rule = rule_for(receiver, channel="email", url="", recipients="ada@example.com, bo@example.com")
    one = waiting(rule, text="KeyError")
    sending.send_due()
    [message] = mail.outbox
    assert message.to == ["ada@example.com", "bo@example.com"]
    assert message.subject == "[Atoll] It fails"
    assert message.body == f"KeyError\n\n{CONSOLE}"
    one.refresh_from_db()
    assert one.state == "sent"
    assert receiver.calls == []


def test_a_mail_server_that_refuses_is_tried_again(receiver, monkeypatch):
    def refuse(self):
        raise ConnectionRefusedError("no server")

    monkeypatch.setattr(sending.EmailMessage, "send", refuse)
    one = waiting(rule_for(receiver, channel="email", recipients="ada@example.com"))
    sending.send_due()
    one.refresh_from_db()
    assert (one.state, one.attempts) == ("waiting", 1)
    assert one.error == "The mail was not sent (ConnectionRefusedError: no server)."


def test_a_step_sends_a_bounded_number(receiver):
    rule = rule_for(receiver)
    for number in range(sending.MOST + 3):
        waiting(rule, f"{number}")
    assert [sending.send_due(), sending.send_due(), sending.send_due()] == [sending.MOST, 3, 0]
    assert len(receiver.calls) == sending.MOST + 3


@pytest.fixture
def other_process(transactional_db):
    """Another database session, as of another process of the registry."""
    known = connection.get_connection_params()
    opened = psycopg2.connect(**{key: known[key] for key in ("dbname", "user", "password", "host", "port")})
    opened.autocommit = True
    yield opened
    opened.close()
    connection.close()


def test_one_of_several_processes_judges_and_sends(receiver, other_process, monkeypatch):
    waiting(rule_for(receiver))
    judged = []
    monkeypatch.setattr(judge, "step", lambda rules: judged.append(len(rules)))
    notifier = Notifier()
    with other_process.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        assert notifier.step()
        assert (judged, receiver.calls) == ([], [])
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    assert notifier.step()
    assert judged == [1]
    assert len(receiver.calls) == 1


def test_without_a_rule_no_session_is_kept(receiver, other_process):
    notifier = Notifier()
    assert not notifier.step()
    with other_process.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        assert cursor.fetchone() == (True,)
    rule = rule_for(receiver, is_active=False)
    assert not notifier.step()
    waiting(rule)  # it was written before the rule was switched off
    assert notifier.step()


def test_the_thread_ends_with_the_process(other_process):
    notifier = Notifier()
    notifier.start()
    notifier.stop()
    assert not notifier._thread.is_alive()
