"""What follows from each outcome of a request, as a table: the service client and the gateway are
both tested against it (docs/decisions/0064)."""

from dataclasses import dataclass

from atoll.client.failures import NoReply, NotSent, TimedOut, UpstreamFailure


@dataclass(frozen=True)
class Outcome:
    """``got`` is a status or a failure. ``opens_breaker``: five of them in a row do. ``repeats_read``
    and ``repeats_write``: a GET, or a POST without ``Idempotency-Key``, is sent to another instance."""

    got: int | type[UpstreamFailure]
    opens_breaker: bool
    repeats_read: bool
    repeats_write: bool

    def __str__(self) -> str:
        return str(self.got) if isinstance(self.got, int) else self.got.__name__


OUTCOMES = (
    Outcome(NotSent, opens_breaker=True, repeats_read=True, repeats_write=True),
    Outcome(NoReply, opens_breaker=True, repeats_read=True, repeats_write=False),
    Outcome(TimedOut, opens_breaker=True, repeats_read=False, repeats_write=False),
    Outcome(404, opens_breaker=False, repeats_read=False, repeats_write=False),
    Outcome(429, opens_breaker=False, repeats_read=False, repeats_write=False),
    Outcome(500, opens_breaker=False, repeats_read=False, repeats_write=False),
    Outcome(501, opens_breaker=False, repeats_read=False, repeats_write=False),
    Outcome(502, opens_breaker=True, repeats_read=True, repeats_write=False),
    Outcome(503, opens_breaker=True, repeats_read=True, repeats_write=False),
    Outcome(504, opens_breaker=True, repeats_read=True, repeats_write=False),
)
