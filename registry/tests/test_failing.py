"""``POST /failing`` and the board: what fails is told, replaced, bounded and shown with its consequences."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from atoll import wire as json
from atoll.ids import uuid7
from registry.console.board.failing import SHOWN, blocks
from registry.console.board.views import figures
from registry.failing import store
from registry.failing.report import MAX_CAUSES, read
from registry.models import FailingCause, FailureReport
from registry.tests.conftest import SERVICE

NOW = datetime.now(UTC).replace(microsecond=0)


def moment(seconds: float) -> str:
    return json.timestamp(NOW + timedelta(seconds=seconds))


def cause(text: str = "KeyError: 'carrier'", **fields: Any) -> dict[str, Any]:
    told = {
        "handler": "services.orders.handlers.on_paid",
        "name": "payment.completed",
        "cause": text,
        "failing": 20,
        "dead": 0,
        "behind": 0,
        "firstAt": moment(-60),
        "lastAt": moment(-5),
        "nextAt": moment(300),
        "deadAt": moment(600),
        "sample": str(uuid7()),
    }
    return told | fields


def told(*causes: dict[str, Any], at: float = 0, **fields: Any) -> dict[str, Any]:
    return {"serviceName": SERVICE, "asOf": moment(at), "causes": list(causes)} | fields


def counts() -> dict[str, int]:
    return dict(FailingCause.objects.values_list("cause", "failing"))


@pytest.fixture
def admins(monkeypatch):
    monkeypatch.setenv("ORDERS_ADMIN_URL", "https://orders.example/admin/")


def test_a_report_takes_the_place_of_the_last_one(wire):
    async def tell(*reports):
        return [(await wire("POST", "/failing", one)).body for one in reports]

    answers = asyncio.run(
        tell(told(cause("a"), cause("b")), told(cause("b", failing=7), cause("c"), at=1), told(at=2))
    )
    assert answers == [{"stored": True}] * 3
    assert counts() == {}
    asyncio.run(tell(told(cause("b", failing=7), cause("c"), at=3)))
    assert counts() == {"b": 7, "c": 20}


def test_a_report_that_was_read_earlier_is_dropped(wire):
    asyncio.run(wire("POST", "/failing", told(cause("new"), at=5)))
    assert asyncio.run(wire("POST", "/failing", told(cause("old")))).body == {"stored": False}
    assert counts() == {"new": 20}
    FailureReport.objects.update(told_at=F("told_at") - timedelta(minutes=3))
    assert asyncio.run(wire("POST", "/failing", told(cause("clock was set back")))).body == {"stored": True}
    assert counts() == {"clock was set back": 20}


def test_a_report_wakes_the_board(wire):
    streams = wire.application._streams
    assert not streams._news.is_set()
    asyncio.run(wire("POST", "/failing", told(cause())))
    assert streams._news.is_set()


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"serviceName": SERVICE, "asOf": moment(0)},
        told(*[cause(str(number)) for number in range(MAX_CAUSES + 1)]),
        told(cause(), asOf="yesterday"),
        told(cause(), at=1000),
        told(1),
        told(cause("x" * 501)),
        told(cause(handler="x" * 301)),
        told(cause(failing=-1)),
        told(cause(failing=2**31)),
        told(cause(failing=True)),
        told(cause(sample="1")),
        told(cause(firstAt=None)),
        told(cause(timers=[{"name": "x", "count": 1}])),
        told(cause(timers=[{"name": "x", "count": 1, "firstAt": moment(0)}] * 51)),
        told(cause(things=[{"name": "x", "count": 1, "amounts": [{"currency": "EUR", "amount": 1e300}]}])),
    ],
)
def test_a_malformed_report_is_refused_and_nothing_is_stored(wire, body):
    answer = asyncio.run(wire("POST", "/failing", body))
    assert answer.status == 400
    assert answer.body["message"]
    assert counts() == {}
    assert not FailureReport.objects.exists()


def test_only_a_service_of_the_platform_tells_and_only_of_itself(wire):
    assert asyncio.run(wire("POST", "/failing", told(cause()), secret="wrong")).status == 401
    other = told(cause(), serviceName="payment-service")
    assert asyncio.run(wire("POST", "/failing", other)).status == 403
    assert asyncio.run(wire("GET", "/failing")).status == 405
    assert counts() == {}


def test_the_longest_report_of_a_worker_is_taken(wire):
    """The bounds are those of ``atoll.bus.worker.failure_reporter`` and ``atoll.bus.operations.at_stake``."""
    amount = {"currency": "EUR", "amount": 10**17}
    timer = {"name": "t" * 60, "count": 1, "firstAt": moment(0)}
    longest = cause("c" * 500, handler="h" * 300, name="n" * 300)
    things = [{"name": "x" * 20, "count": 1, "amounts": [amount] * 10}] * 10
    asked = {**longest, "timers": [timer] * 50, "things": things}
    answer = asyncio.run(wire("POST", "/failing", told(*[asked] * 10, *[longest] * 40)))
    assert answer.status == 202


def take(*causes: dict[str, Any], at: float = 0) -> None:
    assert store.replace(read(told(*causes, at=at)))


@pytest.mark.django_db
def test_a_block_says_what_is_held_up_and_what_will_be_too_late(admins):
    take(
        cause(
            failing=2,
            behind=3,
            timers=[
                {"name": "expire.order", "count": 2, "firstAt": moment(120)},
                {"name": "expire.refund", "count": 1, "firstAt": moment(3600)},
            ],
            things=[{"name": "orders", "count": 2, "amounts": [{"currency": "EUR", "amount": 1400}]}],
        )
    )
    [[block], has_more] = blocks(NOW)
    assert not has_more
    assert block.stakes == ["2 orders of 1400.00\u00a0EUR", "3 deliveries wait behind in its lanes"]
    assert block.lateness == ["expire.order fires in 2 min for 2, before the next attempt"]
    assert (block.next_in, block.dead_in) == ("in 5 min", "in 10 min")
    assert block.group_url.startswith("https://orders.example/admin/atoll_bus/dead-letters/group/?handler=")
    assert "group=KeyError%3A+%27carrier%27" in block.group_url


@pytest.mark.django_db
def test_every_timer_is_too_late_for_a_dead_letter():
    timer = {"name": "expire.order", "count": 1, "firstAt": moment(7200)}
    take(cause(failing=0, dead=1, nextAt=None, deadAt=None, timers=[timer]))
    [[block], _] = blocks(NOW)
    assert block.lateness == ["expire.order fires in 2 h for 1, and no attempt follows"]
    assert (block.next_in, block.dead_in) == ("", "")


@pytest.mark.django_db
def test_what_still_fails_stands_before_what_is_dead_and_the_number_of_blocks_is_bounded():
    take(
        cause("dead", failing=0, dead=3, lastAt=moment(-1)),
        *[cause(f"failing {number}", lastAt=moment(-100 - number)) for number in range(SHOWN)],
    )
    found, has_more = blocks(NOW)
    assert [one.cause.cause for one in found] == [f"failing {number}" for number in range(SHOWN)]
    assert has_more


@pytest.mark.django_db
def test_the_board_is_red_at_the_first_report_before_anything_is_scraped(put, admins):
    put("o-1")
    assert "Failing now" not in figures()
    take(cause(text="KeyError: '<b>'", failing=1))
    shown = figures()
    assert "Failing now" in shown
    assert "1 failing" in shown
    assert "KeyError: &#x27;&lt;b&gt;&#x27;" in shown
    assert "1 failing, 0 dead" in shown  # in the row of the service
    assert "tell nothing any more" not in shown
    FailureReport.objects.update(told_at=F("told_at") - timedelta(minutes=1))
    assert f"{SERVICE}: its workers tell nothing any more" in figures()
    take(at=2)
    assert "Failing now" not in figures()


@pytest.mark.django_db
def test_reports_of_a_day_ago_are_forgotten():
    take(cause())
    FailureReport.objects.update(told_at=F("told_at") - timedelta(hours=26))
    assert store.forget_old() == 1
    assert counts() == {}
    take(cause())
    assert store.forget_old() == 0
    assert counts() == {"KeyError: 'carrier'": 20}
