"""The trace of a message, in this service and in all services."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient
from testproject.handlers import NoteWritten

from atoll import context
from atoll.bus import Message, Retry, on, publish
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import quarantine
from atoll.bus.models import Outbox
from atoll.bus.operations import message_trace
from atoll.testing.bus import Bus
from atoll.testing.tokens import service_access_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

CORRELATION = "checkout-4711"
SECRET = "ada@example.com"


@pytest.fixture
def course(atoll_bus: Bus) -> None:
    """A published message, and a received one with a handler that worked and one that is dead."""

    @on("note.asked")
    def write(event: dict[str, Any], message: Message) -> None: ...

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def fail(event: dict[str, Any], message: Message) -> None:
        raise ValueError("not today\nDETAIL: more than anybody needs")

    with context.work(correlation_id=CORRELATION):
        publish(NoteWritten(SECRET))
    atoll_bus.deliver("note.asked", {"text": SECRET}, times=1, message_id="m-1", correlation_id=CORRELATION)
    atoll_bus.deliver("note.asked", {"text": SECRET}, times=1, correlation_id="another-0001")


@pytest.mark.usefixtures("course")
def test_a_correlation_id_gives_all_steps_of_its_messages() -> None:
    trace = message_trace.local_trace(CORRELATION)

    assert (trace.service, trace.is_cut, trace.problem) == ("library-service", False, "")
    told = sorted((step.what, step.name, step.place.rpartition(".")[2], step.status) for step in trace.steps)
    assert told == [
        ("announced", "note.written", "written", "pending"),
        ("handled", "note.asked", "fail", "dead"),
        ("handled", "note.asked", "write", "done"),
        ("received", "note.asked", "test-service", "received"),
    ]
    [dead] = [step for step in trace.steps if step.status == "dead"]
    assert (dead.attempts, dead.error) == (1, "ValueError: not today")
    assert dead.finished_at is not None
    assert dead.due_at is None


@pytest.mark.usefixtures("course")
def test_a_message_id_gives_the_steps_of_that_message_alone() -> None:
    announced = str(Outbox.objects.get().message_id)
    assert [step.what for step in message_trace.local_trace(announced).steps] == ["announced"]
    assert {step.message_id for step in message_trace.local_trace("test-service/m-1").steps} == {"m-1"}
    assert message_trace.local_trace("m-2").steps == []


def test_a_message_of_a_service_of_the_platform_is_found_by_its_id_alone(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: dict[str, Any], message: Message) -> None: ...

    atoll_bus.deliver("note.asked", {}, times=1, message_id="m-9", service_id="order-service")
    assert [step.what for step in message_trace.local_trace("m-9").steps] == ["received", "handled"]


def test_a_quarantined_message_is_found_by_its_senders_ids() -> None:
    properties = {"correlation_id": CORRELATION, "message_id": "m-3"}
    quarantine.add(Arrival("evt.library-service", "note.asked", b"{", properties, {}), "no JSON")
    for wanted in (CORRELATION, "m-3"):
        [step] = message_trace.local_trace(wanted).steps
        assert (step.what, step.status, step.error, step.place) == (
            "quarantined",
            "waiting",
            "no JSON",
            "evt.library-service",
        )


@pytest.mark.usefixtures("course")
def test_a_long_trace_is_marked_as_cut() -> None:
    trace = message_trace.local_trace(CORRELATION, limit=2)
    assert (len(trace.steps), trace.is_cut) == (2, True)


@pytest.mark.usefixtures("course")
def test_no_table_is_scanned_to_find_a_message() -> None:
    """Without sequential scans, a plan that still scans has no index to use."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            f"EXPLAIN {message_trace.FIND_STEPS}",
            {
                "wanted": CORRELATION,
                "message_id": None,
                "dedupe_keys": ["a/b"],
                "quarantine_searched": 5000,
                "gathered": 1000,
                "limit": 10,
            },
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan, plan


@pytest.mark.usefixtures("course")
def test_a_service_gets_the_trace_and_never_the_body(atoll_as_service: Callable[..., APIClient]) -> None:
    answer = atoll_as_service("order-service").get("/bus/messages", {"id": CORRELATION})

    assert answer.status_code == 200
    told = json.loads(answer.content)
    assert (len(told["steps"]), told["isCut"]) == (4, False)
    assert set(told["steps"][0]) == {
        "at", "what", "messageId", "correlationId", "name", "place", "status", "attempts", "error",
        "startedAt", "finishedAt", "dueAt", "rowId",
    }  # fmt: skip
    assert SECRET not in answer.content.decode()


@pytest.mark.usefixtures("course")
def test_only_a_service_gets_a_trace(
    atoll_as_user: Callable[..., APIClient], atoll_as_admin: Callable[..., APIClient]
) -> None:
    for client, status in ((APIClient(), 401), (atoll_as_user(), 403), (atoll_as_admin(), 403)):
        answer = client.get("/bus/messages", {"id": CORRELATION})
        assert answer.status_code == status
        assert "note" not in answer.content.decode()


@pytest.mark.parametrize("wanted", [None, "", "  ", "x" * 301])
def test_a_malformed_id_is_refused(atoll_as_service: Callable[..., APIClient], wanted: str | None) -> None:
    answer = atoll_as_service().get("/bus/messages", {} if wanted is None else {"id": wanted})
    assert answer.status_code == 400
    assert json.loads(answer.content)["code"] == "invalid_request"


def test_the_address_is_not_described_in_public(client: Any) -> None:
    assert "bus/messages" not in client.get("/schema").content.decode()


class Neighbour:
    """A service that answers as told, over real HTTP."""

    def __init__(self) -> None:
        self.status, self.answer = 200, '{"steps": [], "isCut": false}'
        self.asked: list[tuple[str, str]] = []
        neighbour = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                neighbour.asked.append((self.path, self.headers.get("Authorization", "")))
                body = neighbour.answer.encode()
                self.send_response(neighbour.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Neighbour]]:
    names = ("user-service", "order-service", "product-service", "payment-service")
    made = {name: Neighbour() for name in names}
    for name, neighbour in made.items():
        monkeypatch.setenv(f"{name.upper().replace('-', '_')}_URL", neighbour.url)
    monkeypatch.setattr("atoll.client.own_token._supplier", lambda: service_access_token("library-service"))
    yield made
    for neighbour in made.values():
        neighbour.server.shutdown()
        neighbour.server.server_close()


@pytest.mark.usefixtures("course")
def test_every_service_is_asked_with_our_own_token_and_an_absent_one_is_reported(
    neighbours: dict[str, Neighbour],
) -> None:
    ours = message_trace.local_trace(CORRELATION).steps
    neighbours["order-service"].answer = json.dumps(
        {"steps": [json.loads(_wire(step)) for step in ours], "isCut": True}
    )
    neighbours["product-service"].answer = "<html>"
    neighbours["payment-service"].server.shutdown()
    neighbours["payment-service"].server.server_close()

    traces = {trace.service: trace for trace in message_trace.platform_traces(CORRELATION)}

    assert traces["library-service"].steps == ours
    assert len(traces["order-service"].steps) == len(ours)
    assert traces["order-service"].is_cut
    assert (traces["user-service"].steps, traces["user-service"].problem) == ([], "")
    assert "not answering" in traces["payment-service"].problem
    assert traces["product-service"].problem
    [(path, authorization)] = neighbours["user-service"].asked
    assert path == f"/bus/messages?id={CORRELATION}"
    assert authorization.startswith("Bearer ")


def _wire(step: message_trace.Step) -> bytes:
    from atoll import wire

    return wire.dumps(step)
