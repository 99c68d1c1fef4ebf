"""The OpenAPI description of the registry's calls, for ``/schema`` and ``/docs``.

The calls are not Django views, so drf-spectacular cannot find them.
"""

from copy import deepcopy
from typing import Any

from atoll.server.log_level import LEVELS
from registry.constants import LEASE, MAX_WAIT_S
from registry.failing.report import MAX_CAUSE, MAX_CAUSES
from registry.http.calls import HEARTBEAT_S, INDEX_HEADER, STALE_HEADER, STATE_HEADER
from registry.http.inputs import INSTANCE_ID, MAX_INCARNATION, MAX_METADATA_KEYS, MAX_WEIGHT, SERVICE_NAME
from registry.traces.batch import KINDS, MAX_ATTRIBUTES, MAX_DURATION_US, MAX_NAME, MAX_SPANS, MAX_TEXT

Json = dict[str, Any]
BY_SERVICE: list[Json] = [{"serviceCredential": []}]
BY_READER: list[Json] = [{"serviceCredential": []}, {"bearer": []}]


def text(**more: Any) -> Json:
    return {"type": "string", **more}


def whole(**more: Any) -> Json:
    return {"type": "integer", **more}


def record(required: list[str], **properties: Any) -> Json:
    return {"type": "object", "required": required, "properties": properties}


def listed(item: Json) -> Json:
    return {"type": "array", "items": item}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


NAME = text(pattern=f"^{SERVICE_NAME.pattern}$", example="report-service")
ID = text(pattern=f"^{INSTANCE_ID.pattern}$", example="report-service-1")
INCARNATION = whole(
    minimum=1,
    maximum=MAX_INCARNATION,
    description="Numbers the lives of an id: higher with every registration. Without it, an id that "
    "deregistered is refused for 60 seconds.",
)
METADATA: Json = {
    "type": "object",
    "maxProperties": MAX_METADATA_KEYS,
    "additionalProperties": True,
    "properties": {
        "version": text(),
        "environment": text(),
        "zone": text(),
        "role": text(),
        "weight": {"type": "number", "minimum": 0, "maximum": MAX_WEIGHT, "default": 1},
    },
}
PLACE: Json = {"host": text(example="10.0.0.7"), "port": whole(minimum=0, maximum=65535)}
FOUND: Json = {
    "id": ID,
    **PLACE,
    "metadata": METADATA,
    "address": text(description="What a host name meant when it registered."),
}
SPAN: Json = record(
    ["traceId", "spanId", "name", "kind", "startedUs", "durationUs"],
    traceId=text(pattern="^[0-9a-f]{32}$"),
    spanId=text(pattern="^[0-9a-f]{16}$"),
    parentId=text(description="Empty for the first span of a trace."),
    correlationId=text(maxLength=64),
    name=text(maxLength=MAX_NAME),
    kind=text(enum=sorted(KINDS)),
    startedUs=whole(minimum=0, description="Microseconds since 1970."),
    durationUs=whole(minimum=0, maximum=MAX_DURATION_US),
    error=text(maxLength=MAX_TEXT, description="Empty without an error."),
    attributes={"type": "object", "maxProperties": MAX_ATTRIBUTES, "additionalProperties": True},
)
MOMENT = text(format="date-time")
CAUSE: Json = record(
    ["handler", "name", "cause", "failing", "dead", "behind", "firstAt", "sample"],
    handler=text(),
    name=text(description="Event type or command."),
    cause=text(maxLength=MAX_CAUSE),
    failing=whole(minimum=0),
    dead=whole(minimum=0),
    behind=whole(minimum=0, description="Deliveries that wait in the lanes of these."),
    firstAt=MOMENT,
    lastAt=MOMENT,
    nextAt=MOMENT,
    deadAt=MOMENT,
    sample=text(format="uuid", description="The newest delivery."),
    isCut={"type": "boolean", "description": "Timers and things are of its first messages alone."},
    timers=listed(record(["name", "count", "firstAt"], name=text(), count=whole(), firstAt=MOMENT)),
    things=listed(
        record(
            ["name", "count"],
            name=text(example="orders"),
            count=whole(),
            amounts=listed(record(["currency", "amount"], currency=text(), amount={"type": "number"})),
        )
    ),
)
SCHEMAS: Json = {
    "Failing": record(
        ["serviceName", "asOf", "causes"],
        serviceName=NAME,
        asOf=MOMENT,
        isCut={"type": "boolean", "description": "There are more causes."},
        causes={**listed(CAUSE), "maxItems": MAX_CAUSES},
    ),
    "FailingTaken": record(["stored"], stored={"type": "boolean"}),
    "Spans": record(
        ["serviceName", "instanceId", "process", "spans"],
        serviceName=NAME,
        instanceId=ID,
        process=text(example="worker"),
        spans={**listed(SPAN), "maxItems": MAX_SPANS},
    ),
    "SpansTaken": record(
        ["accepted", "dropped", "wanted"],
        accepted=whole(),
        dropped=whole(description="Beyond the bound of a minute."),
        wanted=listed(text(description="A trace that failed: send what you have of it.")),
    ),
    "Registration": record(
        ["serviceName", "instance"],
        serviceName=NAME,
        instance=record(["id", "host", "port"], id=ID, **PLACE, metadata=METADATA, incarnation=INCARNATION),
    ),
    "Named": record(["serviceName", "instanceId"], serviceName=NAME, instanceId=ID, incarnation=INCARNATION),
    "Registered": record(
        ["status", "serviceName", "instanceId", "index", "leaseS", "heartbeatS"],
        status=text(enum=["registered"]),
        serviceName=NAME,
        instanceId=ID,
        index=whole(),
        leaseS=whole(example=int(LEASE.total_seconds())),
        heartbeatS=whole(example=HEARTBEAT_S),
    ),
    "Beaten": record(
        ["status"],
        status=text(enum=["ok", "draining"]),
        logLevel=record(
            ["level", "forS"],
            level=text(enum=list(LEVELS)),
            forS={"type": "number", "description": "Write lines of this level for so many seconds."},
        ),
    ),
    "Deregistered": record(["status"], status=text(enum=["deregistered"])),
    "Instance": record(
        ["id", "host", "port", "metadata"],
        **FOUND,
        lastKnown={"type": "boolean", "description": "Silent, like most of its service: worth trying."},
    ),
    "DescribedInstance": record(
        ["id", "host", "port", "metadata", "status", "lastHeartbeat", "lastHeartbeatAgeS"],
        **FOUND,
        status=text(enum=["healthy", "draining", "last-known", "unhealthy"]),
        lastHeartbeat=text(format="date-time"),
        lastHeartbeatAgeS={"type": "number"},
        registeredAt=text(format="date-time"),
        incarnation=whole(),
    ),
    "Service": record(
        ["name", "index", "healthy", "lastKnown", "total", "instances"],
        name=NAME,
        index=whole(),
        healthy=whole(),
        lastKnown=whole(),
        total=whole(),
        instances=listed(ref("DescribedInstance")),
    ),
}
STALE = {
    STALE_HEADER: {
        "schema": {"type": "number"},
        "description": "The registry's database is away; this was last known so many seconds ago.",
    }
}


def answer(description: str, schema: Json, headers: Json | None = None) -> Json:
    told = {"description": description, "content": {"application/json": {"schema": schema}}}
    return told | ({"headers": headers} if headers else {})


def write(name: str, summary: str, body: str, **responses: Json) -> Json:
    operation = {
        "operationId": name,
        "summary": summary,
        "tags": ["instances"],
        "security": BY_SERVICE,
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref(body)}}},
        "responses": {status.removeprefix("_"): told for status, told in responses.items()},
    }
    return {"post": operation}


def read(name: str, summary: str, parameters: list[Json], told: Json) -> Json:
    operation = {
        "operationId": name,
        "summary": summary,
        "tags": ["discovery"],
        "security": BY_READER,
        "parameters": parameters,
        "responses": {"200": told},
    }
    return {"get": operation}


def query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description}


PATHS: Json = {
    "/register": write(
        "register",
        "Start or replace an instance, with a lease",
        "Registration",
        _200=answer("It replaces the same id.", ref("Registered")),
        _201=answer("It is new.", ref("Registered")),
    ),
    "/heartbeat": write(
        "heartbeat",
        f"Renew the lease, every {HEARTBEAT_S} s; 404 means: register again",
        "Named",
        _200=answer("`draining`: finish, and take nothing new.", ref("Beaten")),
    ),
    "/deregister": write(
        "deregister", "Leave", "Named", _200=answer("Out of discovery.", ref("Deregistered"))
    ),
    "/spans": write(
        "spans", "Tell finished spans", "Spans", _202=answer("Stored, within bounds.", ref("SpansTaken"))
    ),
    "/failing": write(
        "failing",
        "Tell all causes of what fails now, in place of those told before",
        "Failing",
        _202=answer("`stored`: no later report is there already.", ref("FailingTaken")),
    ),
    "/discover/{serviceName}": read(
        "discover",
        "Who may be called now",
        [
            {"name": "serviceName", "in": "path", "required": True, "schema": NAME},
            query("index", whole(minimum=0), f"Answer when the {INDEX_HEADER} differs from this one."),
            query("wait", text(example="30s"), f"For so long at most; up to {MAX_WAIT_S:.0f} s."),
        ],
        answer(
            "The instances to call.",
            listed(ref("Instance")),
            {
                INDEX_HEADER: {"schema": whole(), "description": "Moves when, and only when, the list does."},
                STATE_HEADER: {"schema": text(enum=["current", "last-known", "unknown"])},
                **STALE,
            },
        ),
    ),
    "/services": read(
        "services",
        "Everything that is registered",
        [
            query("page", whole(minimum=1, default=1), "Page, from 1."),
            query("pageSize", whole(minimum=1, maximum=100, default=20), "Services a page."),
        ],
        answer(
            "Services by name, with all their instances.",
            listed(ref("Service")),
            {"X-Total-Count": {"schema": whole()}, "Link": {"schema": text()}, **STALE},
        ),
    ),
}


def add_calls(result: Json, **_: Any) -> Json:
    """A post-processing hook of drf-spectacular."""
    result["paths"] = deepcopy(PATHS) | result.get("paths", {})
    components = result.setdefault("components", {})
    components["schemas"] = deepcopy(SCHEMAS) | components.get("schemas", {})
    components["securitySchemes"] = {
        **components.get("securitySchemes", {}),
        "serviceCredential": {
            "type": "http",
            "scheme": "basic",
            "description": "The service's name and its SERVICE_SECRET.",
        },
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token of staff or of a service."},
    }
    return result
