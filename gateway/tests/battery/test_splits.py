"""The network may cut a stream of bytes anywhere. That changes nothing."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.http.client import ClientConnection
from gateway.edge.http.door import Door, Limits
from gateway.tests.battery.test_battery import CASES

LONGEST_BYTEWISE = 2000
STREAMS = [case.sent for case in CASES]
SHORT = [sent for sent in STREAMS if len(sent) <= LONGEST_BYTEWISE]


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_ended = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_ended = True

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.is_ended

    def can_write_eof(self) -> bool:
        return True

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None

    def pause_reading(self) -> None:
        """The bytes of a case fit into every buffer."""

    resume_reading = pause_reading


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def outcome(loop: asyncio.AbstractEventLoop, pieces: list[bytes]) -> list[Any]:
    """Each request as it was read, or its refusal; at last whether the connection ended."""
    found: list[Any] = []

    async def serve(exchange: Exchange) -> None:
        try:
            if exchange.error is not None:
                raise exchange.error
            body = b""
            while piece := await exchange.receive():
                body += piece
        except ErrorResponse as error:
            found.append((error.status, error.code))
            await exchange.reply(error.status, b"text/plain", b"", error.headers)
        else:
            found.append((exchange.method, exchange.path, exchange.query, exchange.headers, body))
            await exchange.reply(200, b"text/plain", b"ok")

    transport = Transport()
    connection = ClientConnection(Door(Limits(), loop, ()), serve, loop)
    connection.connection_made(cast(asyncio.Transport, transport))
    for piece in pieces:
        if not transport.is_ended:
            connection.data_received(piece)
    statuses = transport.written.count(b"HTTP/1.1 ") - transport.written.count(b"HTTP/1.1 100 ")
    return [*found, statuses, transport.is_ended]


@pytest.mark.parametrize("case", [case for case in CASES if case.sent in SHORT], ids=lambda case: case.name)
def test_byte_by_byte(loop: asyncio.AbstractEventLoop, case: Any) -> None:
    assert outcome(loop, [bytes([byte]) for byte in case.sent]) == outcome(loop, [case.sent])


@settings(max_examples=600, deadline=None)
@given(streams=st.lists(st.sampled_from(STREAMS), min_size=1, max_size=3), data=st.data())
def test_any_pieces_of_any_streams(
    loop: asyncio.AbstractEventLoop, streams: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(streams)
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=12))
    pieces = [sent[start:end] for start, end in pairwise([0, *sorted(cuts), len(sent)]) if start < end]
    assert outcome(loop, pieces) == outcome(loop, [sent])
