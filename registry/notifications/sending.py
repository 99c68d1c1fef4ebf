"""Sends notifications: signed calls of webhooks, and mails. Each attempt is counted before it begins.

A receiver may get a notification twice, when this process ends between the call and its record. The id tells
them apart. Redirects are not followed, and of an answer only the status is read.
"""

import hashlib
import hmac
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import urllib3
from django.core.mail import EmailMessage
from django.db.models import F
from django.db.models.functions import Now

from atoll import conf, wire
from registry.notification_models import Notification, NotificationRule
from registry.notifications.addresses import fault_of_url

WAITS_S = (10, 30, 120, 600, 1800)
MAX_ATTEMPTS = len(WAITS_S) + 1
AT_ONCE = 4
# So many in a step, so that a step ends soon.
MOST = 8
TIMEOUT = urllib3.Timeout(connect=2.0, read=4.0)
MAX_ERROR = 300
ID_HEADER, TIME_HEADER, SIGNATURE_HEADER = "X-Atoll-Notification", "X-Atoll-Timestamp", "X-Atoll-Signature"


class NotSent(Exception):
    """The text says why."""


def send_due() -> int:
    """Make the attempts that are due; how many. Threads send, so that a slow receiver delays few others."""
    due = list(
        Notification.objects.filter(state=Notification.State.WAITING, next_attempt_at__lte=Now())
        .select_related("rule")
        .order_by("next_attempt_at", "pk")[:MOST]
    )
    for one in due:
        _count(one)
    if not due:
        return 0
    with ThreadPoolExecutor(min(AT_ONCE, len(due)), thread_name_prefix="notify") as pool:
        errors = list(pool.map(attempt, due))
    for one, error in zip(due, errors, strict=True):
        record(one, error)
    return len(due)


def send_now(one: Notification) -> str:
    """Make one attempt at once, and record it; the error, or "". For a test: no attempt follows."""
    _count(one)
    error = attempt(one)
    record(one, error, is_last=True)
    return error


def attempt(one: Notification) -> str:
    """Send; the error, or "". It writes nothing."""
    try:
        if one.rule.channel == NotificationRule.Channel.WEBHOOK:
            _call(one)
        else:
            _mail(one)
    except NotSent as reason:
        return str(reason)[:MAX_ERROR]
    return ""


def record(one: Notification, error: str, *, is_last: bool = False) -> None:
    if not error:
        Notification.objects.filter(pk=one.pk).update(
            state=Notification.State.SENT, error="", sent_at=Now(), next_attempt_at=Now()
        )
        return
    is_over = is_last or one.attempts >= MAX_ATTEMPTS
    state = Notification.State.FAILED if is_over else Notification.State.WAITING
    Notification.objects.filter(pk=one.pk).update(state=state, error=error)


def _count(one: Notification) -> None:
    """The next attempt is planned before this one, which may end with the process."""
    wait = timedelta(seconds=WAITS_S[min(one.attempts, len(WAITS_S) - 1)])
    Notification.objects.filter(pk=one.pk).update(attempts=F("attempts") + 1, next_attempt_at=Now() + wait)
    one.attempts += 1


def payload(one: Notification) -> dict[str, object]:
    return {
        "id": str(one.pk),
        "event": one.event,
        "rule": one.rule.name,
        "kind": one.rule.kind,
        "service": one.service,
        "title": one.title,
        "text": one.text,
        "at": wire.timestamp(one.created_at),
        "console": conf.console_url(),
    }


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the time, a dot and the body: an old call cannot be sent again as a new one."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _call(one: Notification) -> None:
    rule = one.rule
    if fault := fault_of_url(rule.url):
        raise NotSent(fault)
    body, now = wire.dumps(payload(one)), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Atoll",
        ID_HEADER: str(one.pk),
        TIME_HEADER: now,
        SIGNATURE_HEADER: f"sha256={signature(rule.secret, now, body)}",
    }
    try:
        with urllib3.PoolManager(num_pools=1, retries=False) as http:
            reply = http.request(
                "POST",
                rule.url,
                body=body,
                headers=headers,
                timeout=TIMEOUT,
                redirect=False,
                preload_content=False,
            )
            reply.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise NotSent(f"It does not answer ({type(error).__name__}).") from error
    if not 200 <= reply.status < 300:
        raise NotSent(f"It answered {reply.status}.")


def _mail(one: Notification) -> None:
    link = conf.console_url()
    body = "\n\n".join(part for part in (one.text or one.title, link) if part)
    try:
        EmailMessage(f"[Atoll] {one.title}", body, None, one.rule.addresses).send()
    except (smtplib.SMTPException, OSError, ValueError, ImportError) as error:
        raise NotSent(f"The mail was not sent ({type(error).__name__}: {error}).") from error
