"""The list of what was revoked: when it is fetched, what it refuses, and what happens while users is away."""

import threading
from typing import Any

import pytest

from atoll.errors import Unavailable
from atoll.identity.jwks import Refresh
from atoll.identity.principal import Principal
from atoll.identity.revocation_source import RevocationSource
from atoll.identity.revocations import MAX_MARKS, Mark, Revocations, read_marks


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def revocations(clock: Clock) -> Revocations:
    return Revocations(clock)


def holder(subject: str = "u1", session: str | None = "s1", issued_at: int = 1000) -> Principal:
    return Principal(
        subject, frozenset(), "user", None, "t", None, None, session=session, issued_at=issued_at
    )


def marks(**given: list[Any]) -> dict[str, Any]:
    return {"revoked": {key.replace("_", ":"): value for key, value in given.items()}}


@pytest.mark.parametrize(
    ("document", "principal", "is_over"),
    [
        (marks(), holder(), False),
        (marks(sub_u1=[1000, True]), holder(issued_at=1000), True),
        (marks(sub_u1=[1000, True]), holder(issued_at=1001), False),
        (marks(sub_u2=[1000, True]), holder(), False),
        (marks(sid_s1=[1000, False]), holder(issued_at=999), True),
        (marks(sid_s1=[1000, False]), holder(session="s2"), False),
        (marks(sid_s1=[1000, False]), holder(session=None), False),
    ],
)
def test_a_mark_refuses_what_was_issued_until_then(
    revocations: Revocations, document: dict[str, Any], principal: Principal, is_over: bool
) -> None:
    revocations.accept(document)
    assert revocations.covers(principal) is is_over


def test_the_first_look_waits_later_ones_fetch_behind(revocations: Revocations, clock: Clock) -> None:
    assert revocations.due() is Refresh.FIRST
    assert revocations.due() is Refresh.NO  # somebody fetches already
    revocations.accept(marks())
    clock.now += 1.4
    assert revocations.due() is Refresh.NO
    clock.now += 0.2
    assert revocations.due() is Refresh.BEHIND
    assert not revocations.is_stale
    revocations.accept(marks())
    clock.now += 60
    assert revocations.due() is Refresh.FIRST
    assert revocations.is_stale


def test_while_users_is_away_the_last_list_stays_and_nobody_waits(
    revocations: Revocations, clock: Clock
) -> None:
    revocations.due()
    revocations.accept(marks(sub_u1=[1000, True]))
    clock.now += 60
    assert revocations.due() is Refresh.FIRST
    revocations.fail()

    assert not revocations.is_stale
    assert revocations.due() is Refresh.NO
    clock.now += 2.1
    assert revocations.due() is Refresh.BEHIND
    assert revocations.covers(holder())


def test_a_fetch_that_never_reports_back_is_given_up(revocations: Revocations, clock: Clock) -> None:
    revocations.due()
    clock.now += 5.1
    assert not revocations.fetching
    assert revocations.due() is Refresh.FIRST


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"revoked": []},
        {"revoked": {"sub:u1": 7}},
        {"revoked": {"sub:u1": ["x", True]}},
        {"revoked": {"sub:u1": [1]}},
        {"revoked": {f"sid:{number}": [1, False] for number in range(MAX_MARKS + 1)}},
    ],
)
def test_what_is_no_list_changes_nothing(revocations: Revocations, document: Any) -> None:
    revocations.accept(marks(sub_u1=[1000, True]))
    with pytest.raises(ValueError, match="revocation"):
        revocations.accept(document)
    assert revocations.mark_of("u1") == Mark(1000, True)


def test_a_full_list_is_read() -> None:
    full = {"revoked": {f"sid:{number}": [1, False] for number in range(MAX_MARKS)}}
    assert len(read_marks(full)) == MAX_MARKS


def test_many_who_ask_at_once_cause_one_fetch_and_all_see_its_answer() -> None:
    asked, go = [], threading.Event()

    def fetch() -> Any:
        asked.append(1)
        go.wait(5)
        return marks(sub_u1=[1000, True])

    source = RevocationSource(fetch)
    verdicts: list[bool] = []
    threads = [threading.Thread(target=lambda: verdicts.append(source.covers(holder()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert (len(asked), verdicts) == (1, [True] * 8)


def test_users_being_away_refuses_nobody() -> None:
    def fetch() -> Any:
        raise Unavailable("user-service", "does not answer")

    source = RevocationSource(fetch)
    assert source.covers(holder()) is False
    assert source.mark_of("u1") is None
