"""A gigabyte up and a gigabyte down flow through an edge process that stays small."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import psutil
import pytest

from atoll.dev import ports
from atoll.server.listening import listen
from gateway.tests.harness import read_answer, row, until
from gateway.tests.running import Running

MIB = 1024 * 1024
PIECES = 1024
LENGTH = PIECES * MIB
MOST_BYTES = 128 * MIB
MOST_MORE_BYTES = 24 * MIB
BLOCK = os.urandom(MIB)


def pieces() -> Iterator[bytes]:
    """Each MiB differs from the others, so a piece that is lost, repeated or moved changes the digest."""
    return (number.to_bytes(8, "big") + BLOCK[8:] for number in range(PIECES))


@pytest.fixture(scope="module")
def digest() -> str:
    found = hashlib.sha256()
    for piece in pieces():
        found.update(piece)
    return found.hexdigest()


class Service:
    """One request on each connection. A POST gets the length and digest of its body, a GET a gigabyte."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb", buffering=MIB)
        line = stream.readline()
        fields = _fields(stream)
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
        if line.startswith(b"POST"):
            length, found = 0, hashlib.sha256()
            for piece in _body(stream, fields):
                length += len(piece)
                found.update(piece)
            body = f"{length} {found.hexdigest()}".encode()
            connection.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        elif b"big" in line:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % LENGTH)
            for piece in pieces():
                connection.sendall(piece)
        else:
            connection.sendall(head + b"Content-Length: 0\r\n\r\n")


def _fields(stream: BinaryIO) -> dict[bytes, bytes]:
    found = {}
    while (field := stream.readline()) not in (b"\r\n", b""):
        name, _, value = field.partition(b":")
        found[name.lower()] = value.strip()
    return found


def _body(stream: BinaryIO, fields: dict[bytes, bytes]) -> Iterator[bytes]:
    """The pieces of a body with a length or in chunks."""
    if b"content-length" in fields:
        left = int(fields[b"content-length"])
        while left and (piece := stream.read(min(left, MIB))):
            left -= len(piece)
            yield piece
        return
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()


class Memory:
    """The largest resident memory of a process that was seen, and the one at the beginning."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.at_rest = self.most = self._process.memory_info().rss

    def look(self) -> None:
        self.most = max(self.most, self._process.memory_info().rss)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Running]:
    service = Service()
    listener = listen("127.0.0.1", ports.free())
    route = row("open", "/open", max_body_bytes=2 * LENGTH, timeout_s=30)
    running = Running(tmp_path, service.port, 1, [listener], route)
    until(running.answers)
    yield running
    running.processes.kill()
    listener.close()
    service.close()


@pytest.fixture
def memory(edge: Running) -> Memory:
    (pid,) = edge.pids()
    return Memory(pid)


def stays_small(memory: Memory) -> bool:
    return memory.most < MOST_BYTES and memory.most - memory.at_rest < MOST_MORE_BYTES


def test_a_gigabyte_in_chunks_goes_up_through_a_small_process(
    edge: Running, memory: Memory, digest: str
) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), 60) as connection:
        connection.sendall(b"POST /open/big HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces():
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            memory.look()
        connection.sendall(b"0\r\n\r\n")
        answer = read_answer(connection)
    assert (answer.status, answer.body.decode()) == (200, f"{LENGTH} {digest}")
    assert stays_small(memory), (memory.at_rest // MIB, memory.most // MIB)


def test_a_gigabyte_comes_down_through_a_small_process(edge: Running, memory: Memory, digest: str) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), 60) as connection:
        connection.sendall(b"GET /open/big HTTP/1.1\r\nHost: x\r\n\r\n")
        stream = connection.makefile("rb", buffering=MIB)
        assert stream.readline().startswith(b"HTTP/1.1 200 ")
        length, found = 0, hashlib.sha256()
        for piece in _body(stream, _fields(stream)):
            length += len(piece)
            found.update(piece)
            memory.look()
    assert (length, found.hexdigest()) == (LENGTH, digest)
    assert stays_small(memory), (memory.at_rest // MIB, memory.most // MIB)
