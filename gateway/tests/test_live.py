"""Live figures: read from the text of Prometheus, as rates of the last minute."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from atoll.identity.roles import SUPPORT
from atoll.testing.rights import signed_in
from gateway.admin import live
from gateway.live import source
from gateway.live.figures import Counts, InstanceState, read
from gateway.live.source import Away, Samples
from gateway.tests.harness import Gateway, row, until
from gateway.tests.upstream import Upstream, answer


def test_percentiles_are_interpolated_and_the_last_bucket_has_no_end() -> None:
    counts = Counts(buckets={0.01: 50, 0.1: 100, float("inf"): 100})
    assert counts.percentile_ms(0.5) == pytest.approx(10)
    assert counts.percentile_ms(0.75) == pytest.approx(55)
    assert Counts(buckets={0.01: 0, float("inf"): 4}).percentile_ms(0.99) == 10
    assert Counts().percentile_ms(0.5) is None


def test_counters_that_began_anew_count_from_zero() -> None:
    assert Counts(requests=5).since(Counts(requests=9)).requests == 5
    assert Counts(requests=9).since(Counts(requests=5)).requests == 4


@pytest.fixture
def running(
    make_gateway: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch, upstream: Upstream
) -> Gateway:
    gateway = make_gateway(row("shop", "/shop"))
    monkeypatch.setattr("atoll.conf.gateway_url", lambda: f"http://127.0.0.1:{gateway.port}")
    upstream.answers("/shop/bad", answer(500, b"{}"))
    return gateway


def test_requests_failures_and_instances_of_a_running_gateway(running: Gateway) -> None:
    for path in ("/shop/good", "/shop/bad", "/nowhere"):
        running.get(path)

    sample = source.ask()

    shop = sample.routes["shop"]
    assert (shop.requests, shop.failed, shop.refused) == (2, 1, 0)
    assert shop.percentile_ms(0.5)
    instance = sample.instances[("product-service", "product-service-0")]
    assert (instance.why_out, instance.requests, instance.failed) == ("", 2, 1)
    assert sample.services["product-service"]["gateway_breaker"] == 0


def test_an_instance_that_is_out_is_named_with_its_reason(running: Gateway) -> None:
    def end() -> None:
        [endpoint] = running.components.directory.upstream("product-service").endpoints
        endpoint.healthy = False

    running.run(end)
    assert (
        source.ask().instances[("product-service", "product-service-0")].why_out == "its health checks fail"
    )


@pytest.mark.django_db
def test_the_page_shows_rates_once_there_are_two_samples(
    running: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Samples()
    monkeypatch.setattr(live, "_samples", lambda: samples)
    support = signed_in(SUPPORT)
    running.get("/shop/good")
    assert "all time since" in support.get("/admin/gateway/live/").content.decode()
    monkeypatch.setattr(source, "SHORTEST_S", 0.0)
    running.get("/shop/good")

    shown = support.get("/admin/gateway/live/figures/").content.decode()
    assert "in the last" in shown
    # The edge makes its text once in a while, however often it is asked.
    row_of_instance = re.compile(
        r"product-service-0</td>\s*<td[^>]*>0</td>\s*<td[^>]*>(?!0\.0)[0-9,.]+</td>\s*<td[^>]*>0</td>"
    )
    until(lambda: row_of_instance.search(support.get("/admin/gateway/live/figures/").content.decode()))


def test_counts_of_an_instance_that_began_anew_count_from_zero() -> None:
    now = InstanceState("shop", "shop-0", requests=5, failed=1)
    assert now.since(InstanceState("shop", "shop-0", requests=9, failed=9)) == now
    assert now.since(InstanceState("shop", "shop-0", requests=3)).requests == 2


@pytest.mark.django_db
def test_a_gateway_that_is_away_is_said_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.conf.gateway_url", lambda: "http://127.0.0.1:9")
    with pytest.raises(Away):
        source.ask()
    shown = signed_in(SUPPORT).get("/admin/gateway/live/")
    assert (shown.status_code, "does not tell its figures" in shown.content.decode()) == (200, True)


def test_text_that_is_none_of_prometheus_is_refused() -> None:
    with pytest.raises(ValueError, match=r".*"):
        read("<html> {", 0.0)


def test_values_of_other_programs_are_ignored() -> None:
    sample: Any = read('# TYPE x gauge\nx{a="b"} 1\n', 0.0)
    assert (sample.routes, sample.instances, sample.services) == ({}, {}, {})
