"""Probes of readiness, one per kind of process. The supervisor repeats them until they succeed."""

import asyncio
import ssl
from pathlib import Path

import psycopg2

from atoll.dev.postgres import Postgres
from atoll.dev.process import Probe
from atoll.dev.valkey import CACHE_DATABASE, Valkey

ANSWER_TIMEOUT_S = 2.0


async def _exchange(host: str, port: int, request: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(host, port, ssl=tls)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.read(4096)
        finally:
            writer.close()


def http(port: int, path: str = "/health/ready", *, tls: bool = False) -> Probe:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    context = _unverified() if tls else None

    async def ready() -> bool:
        try:
            answer = await _exchange("127.0.0.1", port, request, context)
        except (OSError, TimeoutError):
            return False
        return answer.startswith(b"HTTP/1.1 200")

    return ready


def _unverified() -> ssl.SSLContext:
    """The certificate is for the name that clients use. The probe asks this machine's own port."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def lifecycle(file: Path) -> Probe:
    """Reads the state of a process without a port from its ATOLL_LIFECYCLE_FILE."""

    async def ready() -> bool:
        try:
            return file.read_text().strip() == "ready"
        except OSError:
            return False

    return ready


def postgres(engine: Postgres) -> Probe:
    def answers() -> bool:
        try:
            psycopg2.connect(engine.url(), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    async def ready() -> bool:
        return await asyncio.to_thread(answers)

    return ready


def valkey(engine: Valkey) -> Probe:
    request = f"AUTH {engine.password}\r\nSELECT {CACHE_DATABASE}\r\nPING\r\n".encode()

    async def ready() -> bool:
        try:
            answer = await _exchange(engine.host, engine.port, request)
        except (OSError, TimeoutError):
            return False
        return b"+PONG" in answer

    return ready
