"""Sends spans in the background: to the registry, which keeps them for an hour, and to an OTLP collector.

The thread begins with the first span and sleeps while there is none. While the registry is away, spans wait
up to the bound of the recorder's queue; then they are dropped and counted. Nothing waits for this thread.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any

from atoll import conf, wire
from atoll.backoff import Backoff
from atoll.tracing import otlp
from atoll.tracing.recorder import Record, Recorder

log = logging.getLogger(__name__)

# Processes that began together send at times of their own, so that the registry gets no bursts.
EVERY_S = (0.8, 1.2)
# How long a span waits in the ring for the news that another process saw its trace fail.
RING_S = 10
# Without spans to send, the registry is asked so often which traces it wants.
ASK_EVERY_S = 2.0
MAX_SPANS = 400
MAX_BYTES = 240 * 1024
TIMEOUT_S = 3.0
# A process that ends waits so long for its last spans to be sent.
STOP_S = 1.0
PATH = "/spans"
REFUSALS = frozenset({400, 413, 422})


@dataclass(frozen=True)
class Origin:
    """The process that the spans come from: its project, its name on the wire and its instance."""

    project: str
    service: str
    instance: str
    process: str


class Refused(Exception):
    """The registry does not take these spans, now or later."""


class Sender:
    def __init__(
        self,
        recorder: Recorder,
        origin: Origin,
        *,
        post: Callable[[bytes], Any] | None = None,
        export: Callable[[Sequence[Record]], None] | None = None,
    ) -> None:
        """``post`` sends a body to the registry and returns its answer, parsed. ``export`` sends spans to a
        collector. Both raise any error."""
        self._recorder = recorder
        self._origin = origin
        self._post = post
        self._export = export
        self._wake = threading.Event()
        self._stops = threading.Event()
        self._thread: threading.Thread | None = None
        self._backoff = Backoff()
        self._lock = threading.Lock()
        self._may_send_at = self._next_question_at = 0.0

    def begin(self) -> None:
        """A span waits. Starts the thread where there is none."""
        if self._thread is None and not self._stops.is_set():
            self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
            # Also runs in forked children, which leave without atexit.
            Finalize(None, self.stop, exitpriority=0)
            self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """Send what waits once more, then end the thread."""
        thread, self._thread = self._thread, None
        self._stops.set()
        self._wake.set()
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(STOP_S)

    def flush(self) -> None:
        """Send everything that waits now. Raises no error."""
        with self._lock:
            while self._send():
                continue

    def _run(self) -> None:
        if self._post is None:
            self._post = registry_post(self._origin.project) if conf.has_registry() else None
        if self._export is None:
            self._export = otlp.exporter(self._origin)
        while not self._stops.is_set():
            self._wake.wait()
            # Spans gather for a moment. Only the end of the process is more urgent.
            self._stops.wait(random.uniform(*EVERY_S))  # noqa: S311
            self._recorder.forget_ring_before(int((time.time() - RING_S) * 1_000_000))
            if time.monotonic() >= self._may_send_at or self._stops.is_set():
                self.flush()
            self._recorder.sleep_if_empty(self._wake.clear)

    def _send(self) -> bool:
        """Send one batch; whether more may wait."""
        batch = self._recorder.take(MAX_SPANS)
        now = time.monotonic()
        if not batch and not (self._recorder.has_waiting and now >= self._next_question_at):
            return False
        self._next_question_at = now + ASK_EVERY_S
        if batch and self._export is not None:
            try:
                self._export(batch)
            except Exception as error:
                log.warning("spans were not exported: %s", error)
        try:
            wanted = self._deliver(batch)
        except Refused as refused:
            self._recorder.dropped += len(batch)
            log.warning("the registry refuses spans: %s", refused)
            return False
        except Exception as error:
            self._recorder.put_back(batch)
            self._may_send_at = time.monotonic() + self._backoff.failed()
            log.debug("spans cannot be sent now: %s", error)
            return False
        self._backoff.reset()
        if wanted:
            self._recorder.keep_traces(wanted)
        return len(batch) == MAX_SPANS

    def _deliver(self, batch: Sequence[Record]) -> Collection[str]:
        """The traces of which the registry wants everything."""
        if self._post is None:
            return ()
        spans = [wire.dumps(to_wire(one)) for one in batch]
        head = wire.dumps(
            {
                "serviceName": self._origin.service,
                "instanceId": self._origin.instance,
                "process": self._origin.process,
            }
        )[:-1]
        wanted: set[str] = set()
        while True:
            size, count = 0, 0
            while count < len(spans) and (not count or size + len(spans[count]) < MAX_BYTES):
                size += len(spans[count]) + 1
                count += 1
            answer = self._post(head + b',"spans":[' + b",".join(spans[:count]) + b"]}")
            with suppress(KeyError, TypeError):
                wanted.update(str(one) for one in answer["wanted"])
            spans = spans[count:]
            if not spans:
                return wanted


def to_wire(span: Record) -> dict[str, Any]:
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentId": span.parent_id,
        "correlationId": span.correlation_id,
        "name": span.name,
        "kind": span.kind,
        "startedUs": span.started_us,
        "durationUs": span.duration_us,
        "error": span.error,
        "attributes": dict(span.attributes),
    }


def registry_post(project: str) -> Callable[[bytes], Any]:
    """Sends with this project's credential. Raises an error unless the registry takes the spans."""
    import urllib3  # a process without a registry need not have it

    service, secret = conf.project(project).service, conf.secret("SERVICE_SECRET", project)
    headers = {"Content-Type": "application/json", **urllib3.make_headers(basic_auth=f"{service}:{secret}")}
    pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)

    def post(body: bytes) -> Any:
        reply = pool.request(
            "POST",
            conf.registry_url() + PATH,
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=1.0, total=TIMEOUT_S),
            redirect=False,
        )
        if reply.status in REFUSALS:
            raise Refused(f"{reply.status}: {reply.data[:300].decode(errors='replace')}")
        if reply.status >= 300:
            raise ConnectionError(f"the registry answered {reply.status}")
        return wire.loads(reply.data)

    return post
