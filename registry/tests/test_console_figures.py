"""The figures of the console: read from expositions, counted by the minute, kept within bounds."""

import http.server
import re
import threading
import time
from datetime import timedelta

import psycopg2
import pytest
from django.db import connection
from django.db.models import F

from atoll.testing.rights import member
from registry.console.board.load import load_of_all
from registry.console.figures import exposition, scraping, store
from registry.console.figures.collector import LOCK, Collector
from registry.console.figures.counts import Counts
from registry.console.figures.scraping import Target
from registry.console.topology.drawing import NODE_HEIGHT, NODE_WIDTH, Node, _at, graph
from registry.console.topology.edges import Edge, edges, layers
from registry.figure_models import Figure

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
WEB = """
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.01",method="GET",route="/orders",status="200"} 8.0
http_request_duration_seconds_bucket{le="0.1",method="GET",route="/orders",status="200"} 9.0
http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/orders",status="200"} 10.0
http_request_duration_seconds_bucket{le="0.01",method="GET",route="/orders",status="500"} 0.0
http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/orders",status="500"} 2.0
http_request_duration_seconds_count{method="GET",route="/orders",status="200"} 10.0
http_request_duration_seconds_bucket{le="+Inf",method="GET",route="/health",status="200"} 70.0
http_caller_seconds_bucket{caller="api-gateway",le="+Inf",outcome="failed"} 3.0
bus_deliveries_due 4.0
outcomes_total{outcome="confirmed",thing="order"} 6.0
needs_attention{thing="order"} 2.0
python_info{version="3.11"} 1.0
"""


def counts(count, errors=0):
    return Counts(count, errors, 0.0, [count, *[0] * 14])


class Answers:
    """Stands for the instances: what each of them tells at each round."""

    def __init__(self, *rounds):
        self.rounds = list(rounds)

    def ask_all(self, targets):
        told = self.rounds.pop(0)
        return [(target, told.get(target.instance_id)) for target in targets]


def told(text):
    return exposition.read(text)


def runs(count, failed=0):
    return told(
        f'bus_handler_seconds_bucket{{handler="orders.x",le="+Inf",outcome="done"}} {count}\n'
        f'bus_handler_seconds_bucket{{handler="orders.x",le="+Inf",outcome="failed"}} {failed}\n'
    )


def total_of(kind, name):
    return {one.name: (one.counts.count, one.counts.errors) for one in store.totals(kind, HOUR)}.get(name)


def test_an_exposition_becomes_counts_by_kind_and_name():
    scrape = told(WEB)
    route = scrape.counts["request", "GET /orders"]
    assert (route.count, route.errors) == (12, 2)
    assert route.buckets == [0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert scrape.counts["instance", ""].count == 12
    assert scrape.counts["outcome", "order confirmed"].count == 6
    assert (scrape.counts["called", "api-gateway"].errors, scrape.gauges["", "due"]) == (3, 4)
    assert scrape.gauges["", "needs attention order"] == 2
    assert not any("/health" in name for _, name in scrape.counts)


def test_text_that_is_no_exposition_is_refused():
    for text in ("bus_deliveries_due", "bus_deliveries_due many", "bus_deliveries_due{ 4"):
        with pytest.raises(ValueError):
            exposition.read(text)


def test_names_without_end_are_counted_together():
    lines = [f'bus_messages_received_total{{sender="s",name="n{number}"}} 1' for number in range(3000)]
    scrape = told("\n".join(lines))
    assert len(scrape.counts) == exposition.MAX_SERIES + 1
    assert sum(one.count for one in scrape.counts.values()) == 3000


def test_percentiles_are_interpolated_within_their_bucket():
    assert Counts().percentile_ms(0.95) is None
    even = Counts(100, 0, 0, [0, 0, 0, 0, 0, 50, 50, *[0] * 8])
    assert even.percentile_ms(0.50) == pytest.approx(50)
    assert even.percentile_ms(0.95) == pytest.approx(95)
    assert Counts(1, 0, 0, [*[0] * 14, 1]).percentile_ms(0.5) == 30_000


def test_only_the_growth_between_two_rounds_counts(put):
    put("w-1", service="order-service.worker", port=0, metadata={"metricsPort": 20_100})
    collector = Collector(Answers({"w-1": runs(100)}, {"w-1": runs(103, 1)}, {}, {"w-1": runs(110, 1)}))
    assert collector.step()
    assert total_of("handler", "orders.x") is None
    collector.step()
    assert total_of("handler", "orders.x") == (4, 1)
    collector.step()  # it gave no answer
    collector.step()
    assert total_of("handler", "orders.x") == (11, 1)
    assert total_of("instance", "w-1") == (11, 1)


def test_an_instance_shows_at_once_that_its_traffic_left(put):
    put("w-1", service="order-service.worker", port=0, metadata={"metricsPort": 20_100})
    collector = Collector(Answers({"w-1": runs(100)}, {"w-1": runs(140)}, {"w-1": runs(140)}))
    collector.step()
    rates = []
    for _ in range(2):
        collector._began_s = time.monotonic() - 10
        collector.step()
        rates.append(load_of_all()[1]["order-service", "w-1"].rate_now)
    assert rates == [pytest.approx(4, rel=0.2), 0]


def test_all_counts_of_an_instance_that_came_between_two_rounds_are_new(put):
    put("w-1", service="order-service.worker", port=0, metadata={"metricsPort": 20_100})
    collector = Collector(Answers({"w-1": runs(100)}, {"w-1": runs(100), "w-2": runs(7)}))
    collector.step()
    put("w-2", service="order-service.worker", port=0, metadata={"metricsPort": 20_101})
    collector._looked_at -= timedelta(seconds=10)  # a transaction of a test has one time
    collector.step()
    assert total_of("handler", "orders.x") == (7, 0)


def test_counts_that_fell_are_a_new_beginning(put):
    put("w-1", service="order-service.worker", port=0, metadata={"metricsPort": 20_100})
    collector = Collector(Answers({"w-1": runs(100)}, {"w-1": runs(60)}, {"w-1": runs(65)}))
    for _ in range(3):
        collector.step()
    assert total_of("handler", "orders.x") == (5, 0)


def test_a_minute_adds_up_and_a_gauge_keeps_its_newest_value_and_its_peak():
    for count, age_s in ((3, 50.0), (4, 20.0)):
        store.add({("request", "s", "GET /x"): counts(count, 1)}, {("s", "oldest due"): age_s})
    assert total_of("request", "GET /x") == (7, 2)
    assert store.totals("request", HOUR)[0].counts.buckets[0] == 7
    assert store.gauges() == {("s", "oldest due"): 20.0}
    [point] = store.series("gauge", HOUR, timedelta(minutes=1), "s", "oldest due")
    assert point.peak == 50.0


def test_old_figures_are_deleted():
    store.add({("request", "s", "GET /x"): counts(3)}, {})
    Figure.objects.update(minute=F("minute") - timedelta(hours=26))
    store.add({("request", "s", "GET /x"): counts(1)}, {})
    assert store.forget_old() == 1
    assert Figure.objects.count() == 1


def test_a_port_that_may_not_register_is_not_asked(put, settings):
    settings.REGISTRY_REFUSED_PORTS = frozenset({5432})
    assert [port for port in (20_100, 5432, 80, 70_000, "20100", None, True) if scraping.may_ask(port)] == [
        20_100
    ]


@pytest.mark.django_db(transaction=True)
def test_one_of_several_processes_collects():
    connection.close()  # the session of earlier tests may have the lock
    collector = Collector(Answers({}, {}))
    parameters = connection.get_connection_params()
    other = psycopg2.connect(
        **{key: parameters[key] for key in ("dbname", "user", "password", "host", "port")}
    )
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        assert not collector.step()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        assert collector.step()
    finally:
        other.close()
    connection.close()


class Metrics(http.server.BaseHTTPRequestHandler):
    status, body = 200, WEB.encode()

    def do_GET(self):
        self.send_response(type(self).status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(type(self).body)))
        self.end_headers()
        self.wfile.write(type(self).body)

    def log_message(self, *args):
        pass


@pytest.fixture
def target(db):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Target("s", "i", "127.0.0.1", server.server_port, None)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "is_told"),
    [
        (200, WEB.encode(), True),
        (404, WEB.encode(), False),
        (302, b"", False),
        (200, b"\xff\xfe", False),
        (200, b"bus_deliveries_due many", False),
        (200, b"# " + b"x" * scraping.MAX_BYTES, False),
    ],
)
def test_only_a_plain_answer_of_bounded_size_counts(target, monkeypatch, status, body, is_told):
    monkeypatch.setattr(Metrics, "status", status)
    monkeypatch.setattr(Metrics, "body", body)
    scraper = scraping.Scraper()
    nobody = Target("s", "gone", "127.0.0.1", 1, None)
    found = {one.instance_id: scrape for one, scrape in scraper.ask_all([target, nobody])}
    scraper.close()
    assert (found["i"] is not None, found["gone"]) == (is_told, None)


def test_edges_are_what_callers_and_receivers_counted():
    store.add(
        {
            ("call", "order-service", "user-service"): counts(10, 2),
            ("called", "order-service", "api-gateway"): counts(20),
            ("called", "user-service", "order-service"): counts(8),
            ("message", "product-service", "order-service reserve.stock"): Counts(5),
            ("message", "product-service", "order-service commit.stock"): Counts(4),
        },
        {},
    )
    found = [(one.source, one.target, one.kind, one.counts.count, one.is_failing) for one in edges()]
    assert found == [
        ("api-gateway", "order-service", "call", 20, False),
        ("order-service", "product-service", "message", 9, False),
        ("order-service", "user-service", "call", 10, True),
    ]


def test_a_service_stands_behind_the_services_that_call_it():
    calls = [
        Edge("api-gateway", "o", "call"),
        Edge("o", "p", "call"),
        Edge("p", "u", "call"),
        Edge("o", "u", "call"),
    ]
    assert layers(["api-gateway", "o", "p", "u", "x"], calls) == [["api-gateway"], ["o", "x"], ["p"], ["u"]]
    circle = [Edge("a", "b", "call"), Edge("b", "a", "call"), Edge("a", "a", "call")]
    assert sorted(name for column in layers(["a", "b"], circle) for name in column) == ["a", "b"]


@pytest.mark.parametrize("second", [["o"], ["o", "p"], ["o", "p", "x"]])
def test_no_line_of_the_gateway_runs_behind_a_service(second):
    columns = [["api-gateway"], second, ["q"], ["u"]]
    nodes = {name: Node(name, "", "/", False) for column in columns for name in column}
    calls = [Edge("api-gateway", name, "call") for name in (*second, "q", "u")]
    drawn = str(graph(columns, nodes, calls, lambda edge: ""))
    boxes = {
        name: (int(x), int(y))
        for x, y, name in re.findall(r'<rect x="(\d+)" y="(-?\d+)".*?class="name".*?>([\w-]+)<', drawn)
    }
    assert boxes.keys() == nodes.keys()
    assert min(y for _, y in boxes.values()) > 0
    lines = re.findall(r'd="M(\S+) (\S+)C(\S+) (\S+) (\S+) (\S+) (\S+) (\S+)" marker', drawn)
    for call, line in zip(calls, lines, strict=True):
        numbers = [float(one) for one in line]
        points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        for name in nodes.keys() - {call.source, call.target}:
            left, top = boxes[name]
            for step in range(101):
                x, label_y = _at(points, step / 100)
                is_beside = not left <= x <= left + NODE_WIDTH
                assert is_beside or not top <= label_y + 4 <= top + NODE_HEIGHT, (call, name)


PAGES = (
    "/console/",
    "/console/topology",
    "/console/charts",
    "/console/charts?service=s&kind=request&name=GET+/x",
)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_its_figures_as_a_table_without_scripts(page, client, put):
    client.force_login(member("support"), backend="atoll.identity.backends.AccountBackend")
    put("s-1", service="s")
    assert client.get(page).status_code == 200  # before anything is measured
    store.add(
        {
            ("request", "s", "GET /x"): Counts(7_000, 7_000, 0, [0, 0, 0, 7_000, *[0] * 11]),
            ("call", "s", "t"): counts(7_000),
        },
        {("s", "due"): 3.0, ("s", "oldest due"): 90.0, ("s", "dead"): 2.0},
    )
    shown = client.get(page).content.decode()
    assert "style=" not in shown
    assert "<script>" not in shown
    assert any(text in shown for text in ("100 %", "7,000", "2 dead"))


@pytest.mark.parametrize(
    "query",
    [
        "period=x",
        "sort=x",
        "kind=x&name=y",
        "name=" + "x" * 4000,
        "service=%27%22<b>",
    ],
)
def test_no_address_of_a_chart_that_was_edited_by_hand_breaks_it(query, client):
    client.force_login(member("support"), backend="atoll.identity.backends.AccountBackend")
    answer = client.get(f"/console/charts?{query}")
    assert answer.status_code == 200
    assert b"<b>" not in answer.content
