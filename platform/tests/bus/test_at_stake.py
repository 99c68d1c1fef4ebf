"""``POST /bus/at-stake``: services tell each other counts and sums of the things that messages concern."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from rest_framework.test import APIClient

from atoll import context, wire
from atoll.bus import Message, handles, schedule
from atoll.bus.operations import at_stake
from atoll.bus.operations.at_stake import Question
from atoll.client.reply import Reply
from atoll.errors import Unavailable

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers", "baskets")]

URL = "/bus/at-stake"
ASKED = {"questions": [{"correlationIds": ["checkout-1"], "keys": ["k-1", "k-2"]}]}


@dataclass
class Expire:
    command: ClassVar[str] = "expire.basket"
    text: str


@pytest.fixture
def baskets() -> Iterator[None]:
    """A timer of one correlation id, and a service that knows baskets by their keys."""
    held = dict(at_stake._things)
    at_stake._things.clear()
    at_stake.register("baskets", lambda keys: (len(keys), {"EUR": Decimal("19.90")}))

    @handles("expire.basket")
    def expire(command: Expire, message: Message) -> None: ...

    with context.work(correlation_id="checkout-1"):
        schedule(Expire("private"), after=timedelta(minutes=15), token="t-1")
    yield
    at_stake._things.clear()
    at_stake._things.update(held)


def test_a_service_gets_counts_and_sums(atoll_as_service: Callable[..., APIClient]) -> None:
    answer = atoll_as_service("payment-service").post(URL, ASKED, format="json")
    assert answer.status_code == 200
    [stake] = json.loads(answer.content)["answers"]
    assert stake["things"] == [
        {"name": "baskets", "count": 2, "amounts": [{"currency": "EUR", "amount": 19.90}]}
    ]
    [timer] = stake["timers"]
    assert (timer["name"], timer["count"]) == ("expire.basket", 1)
    assert "private" not in answer.content.decode()


def test_only_a_service_gets_them(
    atoll_as_user: Callable[..., APIClient], atoll_as_admin: Callable[..., APIClient]
) -> None:
    for client, status in ((APIClient(), 401), (atoll_as_user(), 403), (atoll_as_admin(), 403)):
        assert client.post(URL, ASKED, format="json").status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"questions": {}},
        {"questions": [1]},
        {"questions": [{"keys": []}]},
        {"questions": [{"correlationIds": "a", "keys": []}]},
        {"questions": [{"correlationIds": [1], "keys": []}]},
        {"questions": [{"correlationIds": [], "keys": ["x" * 301]}]},
        {"questions": [{"correlationIds": ["a"] * 201, "keys": []}]},
        {"questions": [{"correlationIds": [], "keys": []}] * 11},
    ],
)
def test_a_malformed_question_is_refused(atoll_as_service: Callable[..., APIClient], body: Any) -> None:
    answer = atoll_as_service().post(URL, body, format="json")
    assert answer.status_code == 400
    assert "correlationId" in json.loads(answer.content)


def test_an_id_with_a_nul_is_refused(atoll_as_service: Callable[..., APIClient]) -> None:
    raw = b'{"questions":[{"correlationIds":["a\\u0000"],"keys":[]}]}'
    assert atoll_as_service().post(URL, raw, content_type="application/json").status_code == 400


def test_a_service_that_does_not_answer_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "order-service": b'{"answers":[{"timers":[],"things":[{"name":"orders","count":3}]}]}',
        "user-service": b'{"answers":[]}',
        "product-service": b"<html>",
    }

    class Client:
        def __init__(self, service: str, **_: Any) -> None:
            self.service = service

        def post(self, path: str, json: Any) -> Reply:
            assert path == URL
            assert json == ASKED
            if self.service not in answers:
                raise Unavailable(self.service, "does not answer")
            return Reply(self.service, 200, {}, answers[self.service])

    monkeypatch.setattr("atoll.client.ServiceClient", Client)
    [stake] = at_stake.everywhere([Question(correlation_ids=["checkout-1"], keys=["k-1", "k-2"])])
    assert [(things.name, things.count) for things in stake.things] == [("baskets", 2), ("orders", 3)]
    assert [timer.name for timer in stake.timers] == ["expire.basket"]


def test_the_answers_of_all_services_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    at_stake.register("baskets", lambda keys: (1, {f"A{number:02}": Decimal(1) for number in range(30)}))
    timer = {"name": "expire", "count": 1, "firstAt": "2026-11-28T12:00:00Z"}
    told = {"answers": [{"timers": [timer] * 40, "things": [{"name": "orders", "count": 3}] * 40}]}

    class Client:
        def __init__(self, service: str, **_: Any) -> None:
            self.service = service

        def post(self, path: str, json: Any) -> Reply:
            return Reply(self.service, 200, {}, wire.dumps(told))

    monkeypatch.setattr("atoll.client.ServiceClient", Client)
    [stake] = at_stake.everywhere([Question(correlation_ids=["checkout-1"], keys=["k-1"])])
    assert len(stake.timers) == at_stake.MOST_TIMERS
    assert len(stake.things) == at_stake.MOST_THINGS
    assert len(stake.things[0].amounts) == at_stake.MAX_AMOUNTS
