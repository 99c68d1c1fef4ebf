"""The cached service token."""

import threading

import pytest

from atoll.errors import Unavailable
from atoll.identity.service import ServiceToken


class Users:
    """Gives numbered tokens that live 900 seconds, or is away."""

    def __init__(self) -> None:
        self.given = 0
        self.asked = 0
        self.away = False

    def __call__(self) -> tuple[str, float]:
        self.asked += 1
        if self.away:
            raise Unavailable("user-service", "away")
        self.given += 1
        return f"token-{self.given}", 900.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_used_for_three_quarters_of_its_life() -> None:
    users, clock = Users(), Clock()
    token = ServiceToken(users, clock)

    assert token.get() == "token-1"
    clock.now = 674
    assert token.get() == "token-1"
    clock.now = 676
    assert token.get() == "token-2"
    assert users.asked == 2


def test_while_users_is_away_the_held_token_serves_until_it_expires() -> None:
    users, clock = Users(), Clock()
    token = ServiceToken(users, clock)
    token.get()
    users.away = True

    clock.now = 700
    assert token.get() == "token-1"
    assert token.get() == "token-1"
    assert users.asked == 2, "a failed renewal rests for a moment"
    clock.now = 899
    assert token.get() == "token-1"
    clock.now = 901
    with pytest.raises(Unavailable):
        token.get()
    users.away = False
    assert token.get() == "token-2"


def test_threads_that_need_the_first_token_share_one_fetch() -> None:
    users = Users()
    token = ServiceToken(users)
    together = threading.Barrier(8)
    got: list[str] = []

    def ask() -> None:
        together.wait()
        got.append(token.get())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == ["token-1"] * 8
    assert users.asked == 1


def test_nobody_waits_for_a_renewal_while_the_held_token_is_good() -> None:
    clock = Clock()
    renewing, let_go = threading.Event(), threading.Event()
    given = iter(["token-1", "token-2"])

    def fetch() -> tuple[str, float]:
        if clock.now:
            renewing.set()
            assert let_go.wait(5)
        return next(given), 900.0

    token = ServiceToken(fetch, clock)
    token.get()
    clock.now = 700
    renewal = threading.Thread(target=token.get)
    renewal.start()
    assert renewing.wait(5)

    assert token.get() == "token-1"

    let_go.set()
    renewal.join(5)
    assert token.get() == "token-2"
