"""When the key set is asked for again."""

from typing import Any

import pytest
from jwt.algorithms import RSAAlgorithm

from atoll.identity.jwks import KeySet, Refresh, read_key_set
from atoll.testing import tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> KeySet:
    return KeySet(clock)


def document(*kids: str, **changes: Any) -> dict[str, Any]:
    row = RSAAlgorithm.to_jwk(tokens.private_key().public_key(), as_dict=True)
    return {"keys": [row | {"kid": kid, "alg": "RS256", "use": "sig"} | changes for kid in kids]}


def test_the_first_look_fetches_and_others_wait_for_it(keys: KeySet) -> None:
    assert keys.find("a").refresh is Refresh.FIRST
    assert keys.find("a").refresh is Refresh.NO
    assert keys.fetching

    keys.accept(document("a"))

    assert keys.find("a").key is not None
    assert keys.find("a").refresh is Refresh.NO
    assert not keys.fetching


def test_a_stale_set_is_used_while_one_caller_fetches_it_behind(keys: KeySet, clock: Clock) -> None:
    keys.accept(document("a"))
    clock.now += 299
    assert keys.find("a").refresh is Refresh.NO
    clock.now += 2

    first, second = keys.find("a"), keys.find("a")

    assert (first.refresh, second.refresh) == (Refresh.BEHIND, Refresh.NO)
    assert first.key is second.key is not None


def test_unknown_ids_cause_one_fetch_a_minute_however_many_come(keys: KeySet, clock: Clock) -> None:
    keys.accept(document("a"))
    fetches = 0
    for number in range(1200):
        clock.now += 0.1
        if keys.find(f"made-up-{number}").refresh is Refresh.FIRST:
            fetches += 1
            keys.accept(document("a"))

    assert fetches == 2


def test_a_new_key_is_found_by_its_unknown_id(keys: KeySet) -> None:
    keys.accept(document("a"))

    assert keys.find("b").refresh is Refresh.FIRST
    keys.accept(document("a", "b"))

    assert keys.find("b").key is not None


def test_the_last_good_set_outlives_any_number_of_failures(keys: KeySet, clock: Clock) -> None:
    keys.accept(document("a"))
    asked = 0
    for _ in range(24 * 60):
        clock.now += 60
        found = keys.find("a")
        assert found.key is not None
        if found.refresh is Refresh.BEHIND:
            asked += 1
            keys.fail()
    assert asked > 1000


def test_after_a_failure_nobody_asks_for_five_seconds(keys: KeySet, clock: Clock) -> None:
    keys.find("a")
    keys.fail()
    clock.now += 4
    assert keys.find("a").refresh is Refresh.NO
    clock.now += 2
    assert keys.find("a").refresh is Refresh.FIRST


def test_a_fetch_that_never_reports_back_is_given_up(keys: KeySet, clock: Clock) -> None:
    keys.find("a")
    clock.now += 29
    assert keys.find("a").refresh is Refresh.NO
    clock.now += 2
    assert keys.find("a").refresh is Refresh.FIRST


def test_a_key_that_is_no_longer_published_is_no_longer_trusted(keys: KeySet) -> None:
    keys.accept(document("a", "b"))
    keys.accept(document("b"))

    assert keys.peek("a") is None


def test_a_set_kept_by_an_earlier_process_is_used_and_fetched_at_once(keys: KeySet) -> None:
    keys.adopt(document("a"))

    assert keys.find("a").refresh is Refresh.BEHIND
    assert keys.peek("a") is not None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {"keys": []},
        {"keys": "many"},
        {"keys": [None, 7, "x"]},
        document("a", alg="RS512"),
        document("a", use="enc"),
        document("a", kty="EC"),
        document("a", n="AQAB"),
        document("a", n=7),
        document("../a"),
        document(*(f"k{number}" for number in range(17))),
        {"keys": [{"kty": "oct", "kid": "a", "alg": "HS256", "use": "sig", "k": "c2VjcmV0"}]},
    ],
    ids=lambda bad: repr(bad)[:40],
)
def test_a_bad_document_leaves_the_last_good_set(keys: KeySet, bad: Any) -> None:
    keys.accept(document("a"))

    with pytest.raises(ValueError):
        keys.accept(bad)

    assert keys.peek("a") is not None
    assert len(keys) == 1


def test_keys_of_other_kinds_are_passed_over() -> None:
    mixed = document("a")
    mixed["keys"].append({"kty": "EC", "kid": "b", "alg": "ES256", "use": "sig"})

    assert list(read_key_set(mixed)) == ["a"]
