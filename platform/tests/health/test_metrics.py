import os
import subprocess
import sys

import pytest
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families

from atoll import metrics

# Some of the figures are read from the bus's tables.
pytestmark = pytest.mark.django_db


def samples(client):
    text = client.get("/metrics").content.decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def count(client, **labels):
    return samples(client).get(("http_requests_total", *sorted(labels.items())), 0)


def test_requests_are_counted_by_method_route_and_status(client):
    labels = {"method": "GET", "route": "/failing/<str:how>", "status": "404"}
    before = count(client, **labels)
    client.get("/failing/not-found")
    assert count(client, **labels) == before + 1


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/no/such/page/1", {"method": "GET", "route": "none", "status": "404"}),
        ("BREW", "/echo", {"method": "OTHER", "route": "/echo", "status": "405"}),
    ],
)
def test_what_a_client_makes_up_costs_no_new_series(client, method, path, labels):
    before = count(client, **labels)
    client.generic(method, path)
    assert count(client, **labels) == before + 1


def test_durations_and_the_process_itself_are_measured(client):
    client.get("/echo")
    measured = samples(client)
    series = (("method", "GET"), ("route", "/echo"), ("status", "200"))
    requests = measured["http_requests_total", *series]
    assert measured["http_request_duration_seconds_count", *series] == requests
    assert measured["http_request_duration_seconds_sum", *series] > 0
    assert measured["process_resident_memory_bytes",] > 1_000_000


TWO_PROCESSES = """
import os
from atoll import metrics
child = os.fork()
metrics.observe_request("GET", "/orders", 200, 0.01)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(metrics.exposition().decode())
"""


def test_with_several_processes_whichever_answers_answers_for_all(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TWO_PROCESSES],
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'http_requests_total{method="GET",route="/orders",status="200"} 2.0' in done.stdout
    assert "process_resident_memory_bytes" in done.stdout


class Database:
    """Counts things, or does not answer."""

    def __init__(self):
        self.asked = self.now_s = 0
        self.is_away = False

    def count(self):
        self.asked += 1
        if self.is_away:
            raise OperationalError("gone")
        return 7


def waiting(attention):
    return {
        sample.labels["thing"]: sample.value for metric in attention.collect() for sample in metric.samples
    }


def test_things_that_need_attention_are_counted_every_few_seconds():
    database = Database()
    attention = metrics._Attention(clock=lambda: database.now_s)
    attention.add("basket", database.count)
    assert [waiting(attention), waiting(attention)] == [{"basket": 7}] * 2
    assert database.asked == 1
    database.now_s, database.is_away = metrics.COUNTED_EVERY_S, True
    assert waiting(attention) == {}
    database.now_s, database.is_away = 2 * metrics.COUNTED_EVERY_S, False
    assert waiting(attention) == {"basket": 7}
    assert attention.describe() == []
