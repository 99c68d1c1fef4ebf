"""The thread that judges the rules and sends. Of several registry processes one does, by a session lock."""

import logging
import threading
import time

from django.db import Error, connection

from registry.notification_models import Notification, NotificationRule
from registry.notifications import judge, sending

log = logging.getLogger(__name__)

EVERY_S = 2.0
# Without a rule there is one look, without a connection that stays.
IDLE_S = 10.0
FORGET_EVERY_S = 600.0
LOCK = 0x41746F6C6C03


class Notifier:
    def __init__(self) -> None:
        self._session: object | None = None
        self._forget_due = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection. Returns when both are gone."""
        self._stopping.set()
        self._thread.join()

    def step(self) -> bool:
        """Judge and send once, if this process is the one that does; whether there is anything to follow.

        Raises errors of the database.
        """
        rules = list(NotificationRule.objects.filter(is_active=True).order_by("pk"))
        if not rules and not Notification.objects.filter(state=Notification.State.WAITING).exists():
            judge.step(rules)
            self._forget()
            return False
        if self._is_chosen():
            judge.step(rules)
            sending.send_due()
            self._forget()
        return True

    def _forget(self) -> None:
        if time.monotonic() >= self._forget_due:
            self._forget_due = time.monotonic() + FORGET_EVERY_S
            judge.forget_old()

    def _is_chosen(self) -> bool:
        connection.ensure_connection()
        if self._session is not None and self._session is connection.connection:
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            [(is_chosen,)] = cursor.fetchall()
        self._session = connection.connection if is_chosen else None
        return bool(is_chosen)

    def _run(self) -> None:
        complaint = ""
        while not self._stopping.is_set():
            has_work = False
            try:
                has_work = self.step()
                complaint = ""
            except Error as error:
                connection.close()
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("notifications cannot be judged, trying again: %s", error)
            except Exception:
                log.exception("a round of the notifications failed")
                connection.close()
            if not has_work:
                connection.close()
            self._stopping.wait(EVERY_S if has_work else IDLE_S)
        connection.close()
