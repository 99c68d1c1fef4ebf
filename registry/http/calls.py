"""The five calls. Each returns a response or raises an error of atoll.errors.

A call checks the credential first, then the limit, then the body, so that a refused caller costs
no work.
"""

import re
from typing import Any

from django.db import InterfaceError, OperationalError

from atoll.asgi import Receive
from atoll.errors import InvalidInput, Unavailable
from registry.constants import DEFAULT_WAIT_S, LEASE, MAX_WAIT_S
from registry.http import inputs, limits, messages
from registry.http.auth import Doorkeeper, check_name
from registry.http.hub import Hub
from registry.http.limits import Limits, Rate
from registry.http.messages import Request, Response, unless_gone
from registry.http.metrics import BEATS as ACCEPTED
from registry.http.paging import Page
from registry.http.pools import BEATS, PEOPLE, WRITES
from registry.http.state import RegistryState
from registry.selectors import services_page
from registry.usecases.credentials import ActiveCredential
from registry.usecases.deregister import deregister as remove
from registry.usecases.heartbeat import heartbeat as beat
from registry.usecases.register import register as add

INDEX_HEADER = "X-Registry-Index"
STATE_HEADER = "X-Registry-List"
# The age of an answer from memory in seconds, while the database is away.
STALE_HEADER = "X-Registry-Stale"
HEARTBEAT_S = 15
DISCOVER = "/discover/"
WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,20})?)(s|ms)?", re.ASCII)
INDEX = re.compile(r"\d{1,18}", re.ASCII)


class Calls:
    def __init__(self, door: Doorkeeper, request_limits: Limits, hub: Hub, state: RegistryState) -> None:
        self._door = door
        self._limits = request_limits
        self._hub = hub
        self._state = state

    async def heartbeat(self, request: Request, receive: Receive) -> Response:
        _, body = await self._admit(request, receive, limits.HEARTBEATS)
        ref = inputs.instance_ref(body)
        status = self._state.beat(ref.service, ref.instance_id, ref.incarnation)
        if status is None:
            beating = BEATS.run(beat, ref.service, ref.instance_id, ref.incarnation)
            status = await unless_gone(beating, receive)
            self._refresh(ref.service)
        ACCEPTED.inc()
        level = self._state.log_level(ref.service, ref.instance_id)
        return Response({"status": status} if level is None else {"status": status, "logLevel": level})

    async def register(self, request: Request, receive: Receive) -> Response:
        credential, body = await self._admit(request, receive, limits.REGISTRATIONS)
        adding = WRITES.run_in_turn(credential.service, _register, credential, request, body)
        response = await unless_gone(adding, receive)
        self._refresh(str(body["serviceName"]))
        return response

    async def deregister(self, request: Request, receive: Receive) -> Response:
        credential, body = await self._admit(request, receive, limits.REGISTRATIONS)
        ref = inputs.instance_ref(body)
        removing = WRITES.run_in_turn(
            credential.service,
            remove,
            ref.service,
            ref.instance_id,
            ref.incarnation,
            actor=_actor(credential, request),
        )
        await unless_gone(removing, receive)
        self._state.forget(ref.service, ref.instance_id)
        return Response({"status": "deregistered"})

    async def discover(self, request: Request, receive: Receive) -> Response:
        return await unless_gone(self._discover(request), receive)

    async def services(self, request: Request, receive: Receive) -> Response:
        return await unless_gone(self._services(request), receive)

    async def _admit(
        self, request: Request, receive: Receive, rate: Rate
    ) -> tuple[ActiveCredential, dict[str, Any]]:
        """The caller's credential and the body, after both were checked. A deregistration counts against
        the limit of registrations."""
        credential = await self._door.service(request)
        self._limits.count(credential.service, rate)
        body = inputs.body(await messages.body(receive))
        check_name(credential, inputs.service_name(body.get("serviceName")))
        return credential, body

    async def _discover(self, request: Request) -> Response:
        """The answer with its index in a header. A caller that sends the index waits until it differs."""
        caller = await self._door.reader(request)
        name = inputs.service_name(request.path.removeprefix(DISCOVER))
        _check_query(request, ("index", "wait"))
        answer = await self._hub.answer(name, index=_index(request), wait_s=_wait_s(request), caller=caller)
        headers = {INDEX_HEADER: str(answer.index), STATE_HEADER: answer.state, "Cache-Control": "no-store"}
        if answer.stale_s is not None:
            headers[STALE_HEADER] = f"{answer.stale_s:.1f}"
        return Response(answer.instances, headers=headers)

    async def _services(self, request: Request) -> Response:
        await self._door.reader(request)
        _check_query(request, ("page", "pageSize"))
        page = Page.asked(request.query)
        headers = {"Cache-Control": "no-store"}
        try:
            total, services = await PEOPLE.run(services_page, page.start, page.size)
        except (Unavailable, OperationalError, InterfaceError):
            total, services, age_s = self._state.page(page.start, page.size)
            if not total:
                raise
            headers[STALE_HEADER] = f"{age_s:.1f}"
        return Response(services, headers=headers | page.headers(total))

    def _refresh(self, service: str) -> None:
        """The service has changed in the database. Memory reads it again."""
        self._state.invalidate(service)
        self._hub.refresh(service)


def _register(credential: ActiveCredential, request: Request, body: dict[str, Any]) -> Response:
    service = inputs.service_name(body.get("serviceName"))
    offer = inputs.offer(body, service, peer=request.caller, server=request.server)
    done = add(service, offer, actor=_actor(credential, request))
    told = {
        "status": "registered",
        "serviceName": service,
        "instanceId": offer.id,
        "index": done.index,
        "leaseS": int(LEASE.total_seconds()),
        "heartbeatS": HEARTBEAT_S,
    }
    return Response(told, status=201 if done.is_new else 200)


def _actor(credential: ActiveCredential, request: Request) -> str:
    return f"{credential.service} from {request.caller}"


def _check_query(request: Request, known: tuple[str, ...]) -> None:
    """Raises InvalidInput for an unknown parameter: to ignore a mistyped one would mislead the caller."""
    unknown = sorted(set(request.query) - set(known))
    if unknown:
        raise InvalidInput(
            "Some of the query is not known here.",
            code="invalid_query",
            details={"unknown": unknown, "known": list(known)},
        )


def _index(request: Request) -> int:
    text = request.query.get("index", "0")
    if not INDEX.fullmatch(text):
        raise _invalid("index", "a whole number")
    return int(text)


def _wait_s(request: Request) -> float:
    """Reads ``30``, ``30s`` or ``500ms``; at most `MAX_WAIT_S`."""
    text: Any = request.query.get("wait")
    if text is None:
        return DEFAULT_WAIT_S if "index" in request.query else 0.0
    match = WAIT.fullmatch(text)
    if match is None:
        raise _invalid("wait", "seconds, like 30 or 2.5s")
    value = float(match[1]) / (1000 if match[2] == "ms" else 1)
    return min(value, MAX_WAIT_S)


def _invalid(name: str, expected: str) -> InvalidInput:
    return InvalidInput(f"{name} must be {expected}.", code="invalid_query")
