"""Every call counts once, with its outcome."""

from contextlib import suppress

from prometheus_client import REGISTRY

from atoll.client.failures import NotSent
from atoll.errors import Unavailable
from client.world import OK, World, answer


def calls() -> dict[str, float]:
    return {
        outcome: REGISTRY.get_sample_value(
            "client_call_seconds_count", {"peer": "user-service", "outcome": outcome}
        )
        or 0.0
        for outcome in ("ok", "refused", "failed")
    }


def test_a_call_counts_once_with_its_retries_and_its_outcome():
    before = calls()
    World({"a": [OK]}).client().get("/", token=False)
    World({"a": [answer(404)]}).client().get("/", token=False)
    World({"a": [NotSent, OK]}).client().get("/", token=False)
    for broken in (answer(503), NotSent):
        with suppress(Unavailable):
            World({"a": [broken]}).client().get("/", token=False)
    after = calls()
    assert {name: after[name] - before[name] for name in after} == {"ok": 2, "refused": 1, "failed": 2}
