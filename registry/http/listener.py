"""The thread of a registry process that listens for changes and keeps the registry's pulse."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from atoll.backoff import Backoff
from atoll.postgresql.listening import keep_listening
from atoll.server import lifecycle
from registry.constants import CHANNEL, CREDENTIALS_CHANNEL, PULSE
from registry.usecases.credentials import note_use
from registry.usecases.pulse import pulse, sweep

logger = logging.getLogger(__name__)

TICK_S = 0.5
LAST_RETRY_S = 0.5
SWEEP_EVERY_S = 30.0


class Listener:
    """LISTENs in PostgreSQL, and calls these functions from its own thread.

    ``on_change`` gets the name of a changed service. ``on_credentials`` is called when credentials
    changed, ``on_listening`` with whether the thread listens, ``on_draining`` once when the process
    drains. ``used_credentials`` gives the credentials to note with each pulse.
    """

    def __init__(
        self,
        *,
        on_change: Callable[[str], None],
        on_credentials: Callable[[], None],
        on_listening: Callable[[bool], None],
        on_draining: Callable[[], None],
        used_credentials: Callable[[], set[int]],
    ) -> None:
        self._on_change = on_change
        self._on_credentials = on_credentials
        self._used_credentials = used_credentials
        self._on_listening = on_listening
        self._on_draining = on_draining
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-listener", daemon=True)
        self._is_listening = False
        self._has_reported_drain = False
        self._pulse_due = 0.0
        self._sweep_due = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection. Returns when both are gone."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        keep_listening(
            CHANNEL,
            CREDENTIALS_CHANNEL,
            stopping=self._stopping,
            tick=self._tick,
            tick_s=TICK_S,
            lost=self._lost,
            backoff=Backoff(last_s=LAST_RETRY_S),
        )

    def _tick(self, notices: list[Any]) -> None:
        if not self._is_listening:
            # The pulse first: it extends the leases that expired while the database was away.
            pulse()
            self._is_listening = True
            self._on_listening(True)
        self._keep_time()
        for notice in notices:
            self._hear(notice)
        if not self._has_reported_drain and lifecycle.state() == "draining":
            self._has_reported_drain = True
            self._on_draining()

    def _lost(self, error: Exception, _is_first: bool) -> None:
        logger.warning("the registry's database cannot be listened to, trying again: %s", error)
        self._is_listening = False
        self._on_listening(False)

    def _hear(self, notice: Any) -> None:
        if notice.channel == CREDENTIALS_CHANNEL:
            self._on_credentials()
        else:
            self._on_change(notice.payload)

    def _keep_time(self) -> None:
        now = time.monotonic()
        if now >= self._pulse_due:
            self._pulse_due = now + PULSE.total_seconds()
            away = pulse()
            note_use(self._used_credentials())
            # A credential that was changed by hand in the database sends no notification.
            self._on_credentials()
            if away:
                logger.warning("the registry was away for %.0f s; leases were extended", away.total_seconds())
        if now >= self._sweep_due:
            self._sweep_due = now + SWEEP_EVERY_S
            sweep()
