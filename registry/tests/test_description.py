"""``/schema`` describes the calls: real requests and answers conform to it."""

import asyncio

import pytest
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry, generate_latest

from atoll import metrics
from registry.http.pools import WRITES
from registry.models import Instance
from registry.tests import test_failing
from registry.tests.conftest import SERVICE
from registry.tests.test_spans import span, told
from registry.tests.test_watching import until
from registry.usecases.drain import drain

NAMED = {"serviceName": SERVICE, "instanceId": "o-1", "incarnation": 5}
REGISTRATION = {
    "serviceName": SERVICE,
    "instance": {
        "id": "o-1",
        "host": "127.0.0.1",
        "port": 8002,
        "metadata": {"version": "1", "weight": 2},
        "incarnation": 5,
    },
}


@pytest.fixture
def document(client):
    return client.get("/schema").json()


def fits(document, schema, value):
    """The rules of the schema that the value breaks."""
    with_components = {**schema, "components": document["components"]}
    return [error.message for error in Draft202012Validator(with_components).iter_errors(value)]


def content(part):
    return part["content"]["application/json"]["schema"]


def test_every_call_is_described_and_each_answer_fits_its_description(wire, document):
    calls = [
        ("/register", "post", REGISTRATION),
        ("/register", "post", REGISTRATION),
        ("/heartbeat", "post", NAMED),
        ("/discover/{serviceName}", "get", None),
        ("/services", "get", None),
        ("/deregister", "post", NAMED),
        ("/heartbeat", "post", NAMED),
        ("/spans", "post", told(span(1), span(2, error="500"))),
        ("/failing", "post", test_failing.told(test_failing.cause())),
    ]
    assert {path for path, _, _ in calls} == set(document["paths"])
    for path, method, body in calls:
        operation = document["paths"][path][method]
        answered = asyncio.run(wire(method.upper(), path.replace("{serviceName}", SERVICE), body))
        responses = operation["responses"]
        described = responses.get(str(answered.status)) or responses[f"{answered.status // 100}XX"]
        assert fits(document, content(described), answered.body) == []
        assert set(described.get("headers", {})) - {"X-Registry-Stale"} <= {
            name for name in described.get("headers", {}) if name.lower() in answered.headers
        }
        if body is not None:
            assert fits(document, content(operation["requestBody"]), body) == []


def test_a_description_would_not_fit_anything(document):
    answers = document["paths"]["/heartbeat"]["post"]["responses"]
    assert fits(document, content(answers["200"]), {"status": "fine"})
    assert fits(document, content(document["paths"]["/register"]["post"]["requestBody"]), {"instance": {}})


def test_the_page_of_the_description_is_there(client):
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("query", "names", "links"),
    [
        ({}, ["order-service", "product-service", "user-service"], {"first": 1, "last": 1}),
        ({"pageSize": 2}, ["order-service", "product-service"], {"first": 1, "last": 2, "next": 2}),
        ({"pageSize": 2, "page": 2}, ["user-service"], {"first": 1, "last": 2, "prev": 1}),
        ({"pageSize": 2, "page": 9}, [], {"first": 1, "last": 2, "prev": 2}),
        ({"pageSize": 5000}, ["order-service", "product-service", "user-service"], {"first": 1, "last": 1}),
    ],
)
def test_services_come_in_pages(wire, put, query, names, links):
    for service in ("user-service", SERVICE, "product-service"):
        put("i-1", service=service)

    answered = asyncio.run(wire("GET", "/services", **query))
    assert [service["name"] for service in answered.body] == names
    assert answered.headers["x-total-count"] == "3"
    size = min(query.get("pageSize", 20), 100)
    written = {f'<?page={page}&pageSize={size}>; rel="{relation}"' for relation, page in links.items()}
    assert set(answered.headers["link"].split(", ")) == written


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "x"}, {"pageSize": "-1"}, {"pageSize": "1.5"}])
def test_a_page_that_is_no_number_is_refused(wire, query):
    assert asyncio.run(wire("GET", "/services", **query)).status == 400


def test_metrics_tell_instances_by_state_beats_refusals_and_who_waits(wire, put, silence):
    put("o-1")
    put("o-2")
    put("o-3")
    put("u-1", service="user-service")
    silence("o-3", seconds=61)
    silence("u-1", seconds=61)

    async def story():
        application = wire.application
        await WRITES.run(lambda: drain(Instance.objects.get(instance_id="o-2"), actor="ada"))
        application.start()
        await until(lambda: {"order-service", "user-service"} <= set(application.state._entries))
        before = counts()
        assert (await wire("POST", "/heartbeat", NAMED | {"incarnation": None})).status == 200
        assert (await wire("POST", "/heartbeat", NAMED, secret="wrong-secret")).status == 401
        index = (await wire("GET", f"/discover/{SERVICE}")).index
        watcher = asyncio.ensure_future(wire("GET", f"/discover/{SERVICE}", index=index, wait=30))
        await until(lambda: application.hub.watchers == 1)
        after = counts()
        application.hub.close()
        await watcher
        await application.stop()
        return before, after

    before, after = asyncio.run(story())
    states = {
        ("order-service", "healthy"): 1,
        ("order-service", "draining"): 1,
        ("order-service", "unhealthy"): 1,
        ("order-service", "last-known"): 0,
        ("user-service", "last-known"): 1,
        ("user-service", "healthy"): 0,
    }
    for (service, state), count in states.items():
        assert after[f'registry_instances{{service="{service}",state="{state}"}}'] == count
    refused = 'registry_refused_total{code="invalid_credential"}'
    assert after["registry_heartbeats_total"] == before["registry_heartbeats_total"] + 1
    assert after[refused] == before.get(refused, 0) + 1
    assert after["registry_waiting_reads"] == before["registry_waiting_reads"] + 1


def counts():
    assert isinstance(metrics.SERVICE, CollectorRegistry)
    text = (metrics.exposition() + generate_latest(metrics.SERVICE)).decode()
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}
