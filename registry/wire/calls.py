"""The five calls. Each takes a request and answers, or raises an error of atoll.errors."""

import re
from typing import Any

from atoll.errors import InvalidInput
from registry.constants import DEFAULT_WAIT_S, LEASE, MAX_WAIT_S
from registry.selectors import all_services
from registry.usecases.deregister import deregister as remove
from registry.usecases.heartbeat import heartbeat as beat
from registry.usecases.register import register as add
from registry.wire import auth, inputs, limits
from registry.wire.database import run
from registry.wire.hub import Hub
from registry.wire.messages import Request, Response

INDEX_HEADER = "X-Registry-Index"
HEARTBEAT_S = 15
WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,20})?)(s|ms)?", re.ASCII)
INDEX = re.compile(r"\d{1,18}", re.ASCII)


async def register(request: Request) -> Response:
    return await run(_register, request)


async def heartbeat(request: Request) -> Response:
    return await run(_heartbeat, request)


async def deregister(request: Request) -> Response:
    return await run(_deregister, request)


async def services(request: Request) -> Response:
    _check_query(request, ())
    return await run(_services, request)


async def discover(request: Request, hub: Hub, service: str) -> Response:
    """The index comes as a header; asked with it, the answer is held until it differs."""
    name = inputs.service_name(service)
    _check_query(request, ("index", "wait"))
    index, wait_s = _index(request), _wait_s(request)
    await run(auth.reader, request)
    answer = await hub.answer(name, index=index, wait_s=wait_s)
    return Response(answer.instances, headers={INDEX_HEADER: str(answer.index), "Cache-Control": "no-store"})


def _register(request: Request) -> Response:
    body = inputs.body(request.body)
    service = inputs.service_name(body.get("serviceName"))
    credential = auth.writer(request, service)
    limits.count_write(service, "register", limits.REGISTRATIONS)
    offer = inputs.offer(body, service)
    done = add(service, offer, actor=f"{credential.service} from {request.peer}")
    told = {
        "status": "registered",
        "serviceName": service,
        "instanceId": offer.id,
        "index": done.index,
        "leaseS": int(LEASE.total_seconds()),
        "heartbeatS": HEARTBEAT_S,
    }
    return Response(told, status=201 if done.is_new else 200)


def _heartbeat(request: Request) -> Response:
    named, _ = _named(request, "heartbeat", limits.HEARTBEATS)
    return Response({"status": beat(named.service, named.instance_id, named.incarnation)})


def _deregister(request: Request) -> Response:
    named, actor = _named(request, "register", limits.REGISTRATIONS)
    remove(named.service, named.instance_id, named.incarnation, actor=actor)
    return Response({"status": "deregistered"})


def _services(request: Request) -> Response:
    auth.reader(request)
    return Response(all_services(), headers={"Cache-Control": "no-store"})


def _named(request: Request, kind: str, rate: str) -> tuple[inputs.Named, str]:
    named = inputs.named(inputs.body(request.body))
    credential = auth.writer(request, named.service)
    limits.count_write(named.service, kind, rate)
    return named, f"{credential.service} from {request.peer}"


def _check_query(request: Request, known: tuple[str, ...]) -> None:
    """Raises InvalidInput: an answer that ignored a mistyped parameter would mislead."""
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
    """``30``, ``30s`` or ``500ms``; at most 300 seconds, whatever is asked for."""
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
