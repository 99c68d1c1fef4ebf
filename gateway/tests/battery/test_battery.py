"""Plays every case on a raw socket. The service behind sees what the case says, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tests.battery import chunks, connections, fields, framing, request_lines, targets
from gateway.tests.battery.case import Case, Request, get, post
from gateway.tests.battery.client import Answer, Client
from gateway.tests.battery.recorder import Recorder
from gateway.tests.harness import Gateway, row, table
from gateway.tests.upstream import Seen

CASES = [
    case for module in (framing, chunks, request_lines, targets, fields, connections) for case in module.CASES
]
SHAPE = {"error", "message", "code", "correlationId", "details"}


@pytest.fixture(scope="module")
def service() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def gateway(service: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    routes = table(
        row("open", "/open"),
        row("mine", "/mine", access="signed_in"),
        row("small", "/small", max_body_bytes=100),
    )
    made = Gateway(Path(tmp_path_factory.mktemp("gateway")), routes)
    made.knows("product-service", service)
    yield made
    made.close()


def test_the_battery_has_the_size_that_it_promises() -> None:
    assert len(CASES) >= 300
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(gateway: Gateway, service: Recorder, case: Case) -> None:
    before = len(service.seen)
    service.malformed.clear()
    with Client(gateway.port) as client:
        client.send(case.sent)
        answers = [client.answer(method) for method in case.methods]
        assert tuple(answer.status for answer in answers) == case.answers, answers[-1].body
        check_error(answers[-1], case)
        if case.keeps:
            assert "close" not in answers[-1].fields.get("connection", "")
            assert client.still_serves()
        else:
            assert answers[-1].fields["connection"] == "close"
            assert client.ends()
    assert service.malformed == []
    seen = service.seen[before:]
    assert [one.target for one in seen] == [request.target for request in case.reaches]
    for one, request in zip(seen, case.reaches, strict=True):
        check_request(one, request)


ABORTED = {
    "in the request line": b"GET /open/lef",
    "in a field": b"GET /open/left HTTP/1.1\r\nHost: gate",
    "before the end of the head": b"GET /open/left HTTP/1.1\r\nHost: gateway.test\r\n",
    "in a body of known length": post(b"Content-Length: 10", body=b"hello"),
    "before a body": post(b"Content-Length: 10"),
    "in the size of a chunk": post(b"Transfer-Encoding: chunked", body=b"5"),
    "in a chunk": post(b"Transfer-Encoding: chunked", body=b"5\r\nhel"),
    "after a chunk": post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"),
    "in the last chunk": post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n"),
    "in the trailers": post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\nX-A: 1\r\n"),
}


@pytest.mark.parametrize("sent", ABORTED.values(), ids=ABORTED)
def test_a_request_that_the_client_breaks_off_reaches_nobody(
    gateway: Gateway, service: Recorder, sent: bytes
) -> None:
    before = len(service.seen)
    service.malformed.clear()
    with Client(gateway.port) as client:
        client.send(sent)
    with Client(gateway.port) as client:
        client.send(get(target=b"/open/after"))
        assert client.answer().status == 200
    assert [one.target for one in service.seen[before:]] == ["/open/after"]
    assert service.malformed == []


def check_error(answer: Answer, case: Case) -> None:
    if answer.status < 400 or case.methods[-1] == b"HEAD":
        return
    assert answer.fields["content-type"] == "application/json"
    assert set(answer.json()) == SHAPE
    assert answer.json()["correlationId"] == answer.fields["x-correlation-id"]
    if case.code:
        assert answer.json()["code"] == case.code


def check_request(seen: Seen, request: Request) -> None:
    assert (seen.method, seen.body) == (request.method, request.body)
    got = [(name.lower(), value) for name, value in seen.headers]
    for field in request.fields:
        assert field in got
    for absent in request.without:
        name, _, value = absent.partition(": ")
        assert not any(one == name and (not value or value == its) for one, its in got), got
