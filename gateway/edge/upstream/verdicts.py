"""Judges an endpoint by the outcome of one exchange. Nothing that a client does or fails to do counts."""

from enum import Enum

from atoll.client import policy
from atoll.client.failures import NotSent, UpstreamFailure
from gateway.edge.error_responses import ErrorResponse, unavailable
from gateway.edge.upstream.directory import Endpoint, Upstream
from gateway.edge.upstream.failures import Dropped


class Outcome(Enum):
    """``BROKEN``: an answer of 500 to 599 that breakers do not count. ``NOTHING`` says nothing about the
    endpoint."""

    WELL = 1
    BROKEN = 2
    FAILED = 3
    NOTHING = 4


def of_answer(status: int, failure: BaseException | None = None, *, held_back: bool = False) -> Outcome:
    """The outcome of an exchange whose answer had begun.

    ``failure`` is the error that ended the answer. ``held_back``: the client read too slowly when the
    answer broke off, so the service may have lost its patience with the client.
    """
    if policy.is_failure(status):
        return Outcome.FAILED
    if isinstance(failure, UpstreamFailure):
        return Outcome.NOTHING if held_back else Outcome.FAILED
    return Outcome.BROKEN if status >= 500 else Outcome.WELL


def of_error(error: BaseException, *, given_s: float, timeout_s: float, request_sent: bool = True) -> Outcome:
    """The outcome of an attempt without an answer that had ``given_s`` of its ``timeout_s``.

    Without ``request_sent`` the service still waited for the client's body, so only a connection that
    could not be made counts. An idle connection that the instance was closing does not count.
    """
    if not isinstance(error, UpstreamFailure) or (isinstance(error, Dropped) and error.reused):
        return Outcome.NOTHING
    if not request_sent and not isinstance(error, NotSent):
        return Outcome.NOTHING
    return Outcome.FAILED if policy.counts(error, given_s=given_s, timeout_s=timeout_s) else Outcome.NOTHING


def judge(upstream: Upstream, endpoint: Endpoint, probe: int, outcome: Outcome) -> None:
    """Tell the endpoint's breaker and the outlier detection. ``probe`` comes from `Breaker.asked`.

    Call it once for each `Breaker.asked`, as early as the outcome is clear.
    """
    breaker = endpoint.breaker
    if outcome is Outcome.NOTHING:
        breaker.abandoned(probe)
        return
    if outcome is Outcome.WELL:
        well(endpoint, probe)
        return
    endpoint.asked += 1
    endpoint.attempts += 1
    endpoint.failures += 1
    if outcome is Outcome.BROKEN:
        breaker.succeeded(probe)
    else:
        breaker.failed(probe)
    if upstream.outliers.count_failure(endpoint, upstream.endpoints) or not breaker.closed:
        upstream.all_well = False


def well(endpoint: Endpoint, probe: int) -> None:
    """`judge` for `Outcome.WELL`, which is that of an answer below 500 that did not break off."""
    endpoint.asked += 1
    endpoint.attempts += 1
    endpoint.breaker.succeeded(probe)


def refusal(upstream: Upstream) -> ErrorResponse:
    """The answer (503) when `Upstream.choose` gives no endpoint."""
    if not upstream.endpoints:
        return unavailable(upstream.name, f"No instance of {upstream.name} is running.", code="no_instance")
    return unavailable(
        upstream.name,
        f"{upstream.name} has failed repeatedly and is given a rest.",
        retry_after_s=upstream.breaker.wait_s(),
        code="circuit_open",
    )


def overloaded(upstream: Upstream) -> ErrorResponse:
    """The answer (503) when `Upstream.is_full`."""
    return unavailable(upstream.name, f"{upstream.name} is working at its limit.", code="overloaded")
