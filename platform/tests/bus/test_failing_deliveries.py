"""Failing deliveries are red for staff and in metrics from the first failure until they succeed."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from atoll.admin import tiles
from atoll.bus import Message, Retry, on
from atoll.bus.models import Delivery
from atoll.bus.operations import dead_letters, failing_deliveries, recovery, stats
from atoll.bus.operations.metrics import BusCollector
from atoll.identity.roles import CATALOGUE
from atoll.testing.bus import Bus
from atoll.testing.rights import member

pytestmark = pytest.mark.usefixtures("handlers")

PAGE = "/admin/atoll_bus/dead-letters/"
FIGURES = "/admin/atoll_bus/overview/figures/"
ORDERS = 20
POLICY = Retry(immediate=0, delayed_s=(5, 30))


class Shop:
    """Confirms orders, or fails."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.is_broken = True

        @on("note.asked", retry=POLICY)
        def confirm(event: dict[str, Any], message: Message) -> None:
            if self.is_broken:
                raise KeyError("carrier")

    def receive(self, count: int = ORDERS) -> list[Delivery]:
        return [self.bus.deliver("note.asked", {"order": n}, times=1)[0] for n in range(count)]


@pytest.fixture
def shop(atoll_bus: Bus) -> Shop:
    return Shop(atoll_bus)


def metrics() -> dict[str, float]:
    return {sample.name: sample.value for metric in BusCollector().collect() for sample in metric.samples}


def tile() -> Any:
    return next(one for one in tiles.tiles() if one.title == "Failing now")


def told() -> tuple[int, float, Any, bool]:
    """Return the number of failing deliveries in the overview, in the metrics and on the front page."""
    shown = tile()
    return (
        stats.ledger_counts().failing,
        metrics()["bus_deliveries_failing"],
        shown.value,
        shown.is_alarming,
    )


def test_the_first_failure_is_red_everywhere(staff: Client, shop: Shop) -> None:
    assert told() == (0, 0, "0", False)
    [first] = shop.receive(1)
    assert (first.status, first.attempts) == ("pending", 1)
    assert told() == (1, 1, "1", True)

    shop.receive(ORDERS - 1)

    assert told() == (ORDERS, ORDERS, str(ORDERS), True)
    front, counts_part, page = (staff.get(url).content.decode() for url in ("/admin/", FIGURES, PAGE))
    assert "Failing now" in front
    card = counts_part[counts_part.index("Failing now") :]
    assert f'<strong class="page-bad">{ORDERS}</strong>' in card[:200]
    assert f'<td class="page-number page-bad">{ORDERS}</td>' in page
    assert "KeyError: &#x27;carrier&#x27;" in page
    assert "No dead letters" in page
    assert Delivery.objects.filter(status="dead").count() == 0


def test_a_cause_has_its_times_and_its_attempts_left(shop: Shop) -> None:
    rows = shop.receive(3)
    [found] = failing_deliveries.groups()
    assert (found.count, found.fewest_attempts, found.most_attempts, found.attempts_left) == (3, 1, 1, 2)
    assert found.first_at == rows[0].first_failed_at
    assert found.sample == max(rows, key=lambda row: row.pk)
    assert found.next_at == rows[0].next_attempt_at

    shop.bus.run_due(timezone.now() + timedelta(seconds=6))
    [later] = failing_deliveries.groups()
    assert (later.first_at, later.most_attempts, later.attempts_left) == (found.first_at, 2, 1)
    assert later.last_at is not None
    assert found.last_at is not None
    assert later.last_at > found.last_at


def test_a_group_is_gone_when_its_deliveries_succeed(shop: Shop) -> None:
    shop.receive(2)
    shop.is_broken = False
    assert shop.bus.run_due(timezone.now() + timedelta(seconds=6)) == 2
    assert told() == (0, 0, "0", False)
    assert failing_deliveries.groups() == []


def test_a_group_becomes_dead_letters_after_the_last_attempt(staff: Client, shop: Shop) -> None:
    shop.receive(2)
    for seconds in (6, 60):
        shop.bus.run_due(timezone.now() + timedelta(seconds=seconds))
    assert told()[0] == 0
    [dead] = dead_letters.groups()
    assert dead.count == 2
    assert 'id="failing"' not in staff.get(PAGE).content.decode()


@pytest.mark.parametrize("way", ["one", "group"])
def test_a_replayed_delivery_fails_again_only_after_an_attempt(shop: Shop, way: str) -> None:
    shop.receive(1)
    for seconds in (6, 60):
        shop.bus.run_due(timezone.now() + timedelta(seconds=seconds))
    [dead] = dead_letters.groups()
    if way == "one":
        assert recovery.replay_deliveries([dead.sample.pk]) == 1
    else:
        assert dead_letters.replay_group(dead.group, timezone.now()) == 1
    assert told()[0] == 0
    assert failing_deliveries.groups() == []
    assert Delivery.objects.get().first_failed_at is None
    shop.bus.run_due()
    assert told()[0] == 1
    assert failing_deliveries.groups()[0].first_at > dead.last_at


def test_a_second_attempt_that_runs_still_counts_and_a_first_one_does_not(shop: Shop) -> None:
    rows = shop.receive(2)
    Delivery.objects.filter(pk=rows[0].pk).update(status="running", attempts=2)
    Delivery.objects.filter(pk=rows[1].pk).update(status="running", attempts=1)
    assert told()[0] == failing_deliveries.queryset().count() == failing_deliveries.groups()[0].count == 1


def test_a_handler_without_code_has_no_number_of_attempts_left(shop: Shop) -> None:
    shop.receive(1)
    Delivery.objects.update(handler="services.gone.on_it")
    [found] = failing_deliveries.groups()
    assert found.attempts_left is None


def test_a_row_that_an_older_worker_wrote_has_a_first_failure_too(shop: Shop) -> None:
    [row] = shop.receive(1)
    Delivery.objects.update(first_failed_at=None)
    assert failing_deliveries.groups()[0].first_at == row.claimed_at


def test_failing_deliveries_are_found_by_an_index_of_their_own(shop: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {failing_deliveries.GROUPS}", {"counted": 10, "shown": 10})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "delivery_failing" in plan
    assert "Seq Scan" not in plan


def test_the_first_page_names_the_cause_at_the_first_failure_and_only_then(staff: Client, shop: Shop) -> None:
    assert "failing-now" not in staff.get("/admin/").content.decode()
    shop.receive(2)
    front = staff.get("/admin/").content.decode()
    part = front[front.index("failing-now") : front.index("</section>")]
    assert "KeyError: &#x27;carrier&#x27;" in part
    assert '<td class="page-number page-bad">2</td>' in part
    assert "/admin/atoll_bus/dead-letters/group/?handler=" in part
    shop.is_broken = False
    shop.bus.run_due(timezone.now() + timedelta(seconds=6))
    assert "failing-now" not in staff.get("/admin/").content.decode()


def test_the_first_page_tells_of_failures_only_to_accounts_that_may_see_deliveries(
    staff: Client, shop: Shop
) -> None:
    shop.receive(1)
    member(CATALOGUE, username="ada")
    front = staff.get("/admin/")
    assert front.status_code == 200
    assert "carrier" not in front.content.decode()
