"""Pauses between attempts: they grow, they end, and no two processes make the same ones."""

from atoll.backoff import Backoff, jittered


def longest(low: float, high: float) -> float:
    return high


def test_pauses_double_up_to_the_last_one_and_begin_anew_after_a_success():
    backoff = Backoff(first_s=1.0, last_s=5.0, draw=longest)
    assert backoff.is_fresh
    assert [backoff.failed() for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert not backoff.is_fresh
    backoff.reset()
    assert (backoff.is_fresh, backoff.failed()) == (True, 1.0)


def test_a_pause_is_drawn_from_its_upper_half():
    drawn = {jittered(10.0) for _ in range(100)}
    assert len(drawn) > 50
    assert 5.0 <= min(drawn) <= max(drawn) <= 10.0
