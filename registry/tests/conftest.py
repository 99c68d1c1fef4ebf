"""Fixtures for tests of the registry: instances, passing time, and the calls over ASGI."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.models import F

from atoll.identity.roles import ADMIN, OPERATOR
from atoll.testing.rights import member
from registry.http import pools
from registry.http.app import RegistryApplication
from registry.models import Lease, Pulse
from registry.usecases.credentials import ensure
from registry.usecases.register import Offer, register

SECRET = "the-secret-of-order-service-in-tests"
SERVICE = "order-service"


def offer(instance_id: str = "o-1", *, incarnation: int = 0, **fields: Any) -> Offer:
    values = {"host": "10.0.0.7", "address": "10.0.0.7", "port": 8002, "metadata": {"version": "1"}}
    return Offer(id=instance_id, incarnation=incarnation, **(values | fields))


@pytest.fixture
def put() -> Callable[..., Any]:
    """Register an instance, as its process does."""

    def put(instance_id: str = "o-1", *, service: str = SERVICE, **fields: Any) -> Any:
        return register(service, offer(instance_id, **fields), actor="test")

    return put


@pytest.fixture
def silence() -> Callable[..., None]:
    """Let seconds pass without heartbeats of an instance: its lease moves into the past."""

    def silence(instance_id: str = "o-1", *, seconds: float) -> None:
        gone = timedelta(seconds=seconds)
        changed = Lease.objects.filter(instance__instance_id=instance_id).update(
            beat_at=F("beat_at") - gone, expires_at=F("expires_at") - gone
        )
        assert changed == 1

    return silence


@pytest.fixture
def registry_away() -> Callable[..., None]:
    """Let seconds pass without a registry process: all stored times move into the past."""

    def away(*, seconds: float) -> None:
        gone = timedelta(seconds=seconds)
        Lease.objects.update(beat_at=F("beat_at") - gone, expires_at=F("expires_at") - gone)
        Pulse.objects.update(beat_at=F("beat_at") - gone)

    return away


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def index(self) -> int:
        return int(self.headers["x-registry-index"])


class Wire:
    """Calls the ASGI application as a server does, without a socket."""

    def __init__(self, application: RegistryApplication) -> None:
        self.application = application

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        name: str = SERVICE,
        secret: str | None = SECRET,
        headers: dict[str, str] | None = None,
        leaves: asyncio.Event | None = None,
        whole: bool = True,
        **query: Any,
    ) -> Answered:
        sent = dict(headers or {})
        if secret is not None:
            sent["authorization"] = "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
        content = raw if raw is not None else (json.dumps(body).encode() if body is not None else b"")
        answers: list[dict[str, Any]] = []
        messages = [{"type": "http.request", "body": content, "more_body": not whole}]
        if not whole:
            messages.append({"type": "http.disconnect"})

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop(0)
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            answers.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": urlencode(query).encode(),
            "headers": [(key.encode(), value.encode()) for key, value in sent.items()],
            "client": ("127.0.0.1", 40000),
        }
        await self.application(scope, receive, send)
        if not answers:
            return Answered(0, {}, None)
        told = {key.decode(): value.decode() for key, value in answers[0]["headers"]}
        return Answered(answers[0]["status"], told, json.loads(answers[1]["body"]))


@pytest.fixture
def credential(transactional_db: None) -> None:
    ensure(SERVICE, SECRET, actor="test")


@pytest.fixture
def wire(credential: None) -> Any:
    """The application without its listener. `listening` starts it."""

    async def refuse_django(*_: Any) -> None:
        raise AssertionError("this path is not one of the five calls")

    application = RegistryApplication(refuse_django)
    application.wrong_credentials.late_s = 0.0
    yield Wire(application)
    pools.close()  # the test database can be dropped only when every connection is gone


def signed_in(client, *, is_admin=False):
    user = member(ADMIN if is_admin else OPERATOR, username="0198c0de-0000-7000-8000-00000000aaaa")
    client.force_login(user, backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def staff(client):
    return signed_in(client)


@pytest.fixture
def chief(client):
    return signed_in(client, is_admin=True)
