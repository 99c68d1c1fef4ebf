"""The sandbox provider keeps the promises of every provider, and fails as its methods say."""

from decimal import Decimal
from functools import partial

import pytest
from django.db import transaction

from atoll.testing.races import at_once
from services.payments.models import SandboxCharge, SandboxRefund
from services.payments.provider import (
    KeyReused,
    Outcome,
    ProviderTimeout,
    ProviderUnavailable,
    provider,
)

TERMS = {"minor_units": 5980, "currency": "EUR", "memo": "order 1"}


def charge(key: str = "k1", method: str = "card", **more):
    return provider().charge(key, method=method, **TERMS | more)


def captured() -> list[tuple[str, Decimal]]:
    return list(SandboxCharge.objects.filter(state="captured").values_list("key", "amount"))


pytestmark = pytest.mark.django_db


def test_a_key_takes_the_money_once_and_answers_alike():
    first, second = charge(), charge()

    assert first == second
    assert first.outcome is Outcome.CAPTURED
    assert first.reference.startswith("ch_")
    assert captured() == [("k1", Decimal("59.80"))]


def test_another_key_is_another_charge_that_the_ledger_shows():
    charge("k1")
    charge("k2")
    assert captured() == [("k2", Decimal("59.80")), ("k1", Decimal("59.80"))]


@pytest.mark.parametrize("other", [{"minor_units": 100}, {"currency": "USD"}, {"method": "card-flaky"}])
def test_a_key_cannot_be_used_for_other_terms(other):
    charge()
    with pytest.raises(KeyReused):
        charge(**other)
    assert captured() == [("k1", Decimal("59.80"))]


def test_a_declined_card_stays_declined():
    assert [charge(method="card-declined") for _ in range(2)] == [charge(method="card-declined")] * 2
    assert charge(method="card-declined").outcome is Outcome.DECLINED
    assert charge(method="card-declined").reason == "card_declined"
    assert captured() == []


def test_an_unknown_method_is_declined():
    assert charge(method="pigeon").reason == "unsupported_payment_method"
    assert captured() == []


def test_a_timeout_may_have_taken_the_money_and_the_key_finds_it():
    with pytest.raises(ProviderTimeout):
        charge(method="card-timeout")
    assert captured() == [("k1", Decimal("59.80"))]

    assert charge(method="card-timeout").outcome is Outcome.CAPTURED
    assert captured() == [("k1", Decimal("59.80"))]


def test_a_flaky_card_takes_nothing_the_first_time():
    with pytest.raises(ProviderUnavailable):
        charge(method="card-flaky")
    assert captured() == []

    assert charge(method="card-flaky").outcome is Outcome.CAPTURED
    assert captured() == [("k1", Decimal("59.80"))]


def test_cancelling_gives_the_money_back_once():
    charge()

    first, second = provider().cancel("k1"), provider().cancel("k1")

    assert first == second
    assert first.refund_reference.startswith("re_")
    assert list(SandboxRefund.objects.values_list("charge__key", "amount")) == [("k1", Decimal("59.80"))]
    assert charge().outcome is Outcome.CANCELLED


@pytest.mark.parametrize("method", [None, "card-declined", "card-flaky"])
def test_cancelling_where_nothing_was_taken_means_nothing_ever_will_be(method):
    if method == "card-declined":
        charge(method=method)
    if method == "card-flaky":
        with pytest.raises(ProviderUnavailable):
            charge(method=method)

    assert provider().cancel("k1").refund_reference == ""

    expected = Outcome.DECLINED if method == "card-declined" else Outcome.CANCELLED
    assert charge(method=method or "card").outcome is expected
    assert captured() == []
    assert SandboxRefund.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_what_the_provider_booked_stays_booked_when_its_caller_fails():
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        charge()
    assert captured() == []

    with pytest.raises(ProviderTimeout):
        charge(method="card-timeout")
    assert captured() == [("k1", Decimal("59.80"))]


@pytest.mark.django_db(transaction=True)
def test_twenty_requests_with_one_key_at_once_are_one_charge():
    answers = at_once([charge] * 20)

    assert {answer.outcome for answer in answers} == {Outcome.CAPTURED}
    assert len({answer.reference for answer in answers}) == 1
    assert captured() == [("k1", Decimal("59.80"))]


@pytest.mark.django_db(transaction=True)
def test_charging_and_cancelling_at_once_leaves_nothing_taken():
    keys = [f"k{number}" for number in range(10)]

    answers = at_once(
        [call for key in keys for call in (partial(charge, key), partial(provider().cancel, key))]
    )

    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    refunded = set(SandboxRefund.objects.values_list("charge__key", flat=True))
    assert {key for key, _ in captured()} == refunded
