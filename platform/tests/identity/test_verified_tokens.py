"""A verified token costs no second check of its signature, and is trusted no longer for it."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from atoll.identity import InvalidToken, Principal, verification, verify
from atoll.identity.verified_tokens import MAX_TOKENS, REMEMBERED_S, VerifiedTokens, digest_of
from atoll.ids import uuid7
from atoll.testing import tokens

USER = uuid7()
MOMENT = "2026-11-23T10:00:00Z"


@pytest.fixture(autouse=True)
def _new_process(atoll_trusted_test_key: None) -> Iterator[None]:
    verification.forget_keys()
    yield
    verification.forget_keys()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was checked."""
    found: list[str] = []
    check = verification.principal_of

    def noted(token: str, key: RSAPublicKey) -> Principal:
        found.append(token)
        return check(token, key)

    monkeypatch.setattr(verification, "principal_of", noted)
    return found


def signed(**changes: Any) -> str:
    return tokens.sign({**tokens.claims(USER), **changes})


def test_a_repeated_token_is_checked_once(checked: list[str]) -> None:
    first, other = signed(), signed()

    assert [verify(first), verify(first), verify(other)] == [verify(first), verify(first), verify(other)]
    assert checked == [first, other]


def test_a_refused_token_is_checked_each_time(checked: list[str]) -> None:
    token = signed(aud="somebody else")

    for _ in range(2):
        with pytest.raises(InvalidToken):
            verify(token)
    assert len(checked) == 2


def test_it_is_remembered_for_some_minutes(checked: list[str]) -> None:
    with time_machine.travel(MOMENT, tick=False) as clock:
        token = signed(exp=int(time.time()) + 3600)
        verify(token)
        clock.shift(REMEMBERED_S - 1)
        verify(token)
        assert len(checked) == 1
        clock.shift(2)
        verify(token)
    assert len(checked) == 2


def test_it_is_refused_when_its_time_is_over() -> None:
    with time_machine.travel(MOMENT, tick=False) as clock:
        token = signed(exp=int(time.time()) + 60)
        verify(token)
        clock.shift(60 + 31)
        with pytest.raises(InvalidToken):
            verify(token)


def test_a_clock_that_was_set_back_ends_the_memory(checked: list[str]) -> None:
    with time_machine.travel(MOMENT, tick=False) as clock:
        token = signed()
        verify(token)
        clock.shift(-20)
        verify(token)
    assert len(checked) == 2


def test_a_remembered_token_goes_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    token = signed()
    verify(token)

    monkeypatch.setattr(verification.key_source(), "find", lambda kid: None)

    with pytest.raises(InvalidToken):
        verify(token)


def test_a_remembered_token_that_is_revoked_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    token, revoked = signed(), set[str]()
    is_revoked: Callable[[Principal], bool] = lambda principal: principal.id in revoked  # noqa: E731
    monkeypatch.setattr(verification, "revocation_check", lambda: is_revoked)
    verify(token)

    revoked.add(str(USER))

    with pytest.raises(InvalidToken):
        verify(token)


def test_a_full_memory_forgets_the_oldest() -> None:
    held, key = VerifiedTokens(), tokens.private_key().public_key()
    caller = Principal(
        str(USER), frozenset(), "user", None, "t", None, None, expires_at=time.time() + REMEMBERED_S
    )
    for number in range(MAX_TOKENS + 1):
        held.remember(digest_of(str(number)), caller, "kid", key)

    assert held.find(digest_of("0")) is None
    assert held.find(digest_of("1")) is not None
    assert held.find(digest_of(str(MAX_TOKENS))) is not None
