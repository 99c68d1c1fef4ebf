"""One step of the state machine as a sentence: given a state, when an event, then a state and effects.

    given("awaiting_payment").when("cancel.requested").then(
        "cancelled", release="asked", refund="asked",
        sends=["release.stock", "refund.payment", "order.cancelled"],
        starts=["release", "refund"], stops=["order"],
    )

No database is used. The words are those of the wire and of the history.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.orders.compensation import CompensationState
from services.orders.state_machine import Effect, Event, State, Status, Step, next_step

TIMERS = {
    "order": (Effect.START_DEADLINE, Effect.STOP_DEADLINE),
    "release": (Effect.START_RELEASE_DEADLINE, Effect.STOP_RELEASE_DEADLINE),
    "refund": (Effect.START_REFUND_DEADLINE, Effect.STOP_REFUND_DEADLINE),
    "goods": (Effect.START_RETURN_DEADLINE, Effect.STOP_RETURN_DEADLINE),
}
STARTS = {start: name for name, (start, _) in TIMERS.items()}
STOPS = {stop: name for name, (_, stop) in TIMERS.items()}


def state(
    status: str, release: str | None = None, refund: str | None = None, goods: str | None = None
) -> State:
    far = (CompensationState(reached) if reached else None for reached in (release, refund, goods))
    return State(Status(status), *far)


@dataclass(frozen=True)
class Given:
    state: State

    def when(self, event: str) -> "When":
        return When(self.state, Event(event))


@dataclass(frozen=True)
class When:
    state: State
    event: Event

    @property
    def step(self) -> Step:
        return next_step(self.state, self.event)

    def then(
        self,
        status: str,
        release: str | None = None,
        refund: str | None = None,
        goods: str | None = None,
        *,
        sends: Sequence[str] = (),
        starts: Sequence[str] = (),
        stops: Sequence[str] = (),
    ) -> None:
        """Exactly this state, these messages in this order, these timers set and called off."""
        step, told = self.step, f"{self.event} in {self.state}"
        assert step.state == state(status, release, refund, goods), told
        assert sent(step) == list(sends), told
        assert [STARTS[effect] for effect in step.effects if effect in STARTS] == list(starts), told
        assert [STOPS[effect] for effect in step.effects if effect in STOPS] == list(stops), told

    def then_it_is_ignored(self) -> None:
        assert self.step == Step(self.state), f"{self.event} in {self.state}"


def given(
    status: str, release: str | None = None, refund: str | None = None, goods: str | None = None
) -> Given:
    return Given(state(status, release, refund, goods))


def sent(step: Step) -> list[str]:
    """The commands and events that go out with a step, by their names on the wire."""
    return [effect.value for effect in step.effects if effect not in STARTS and effect not in STOPS]
