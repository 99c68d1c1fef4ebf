"""How an exchange with an upstream can fail, grouped by what may be done next."""


class UpstreamFailure(Exception):
    """The upstream did not give an answer."""


class NotSent(UpstreamFailure):
    """No byte of the request left: any request may be tried again elsewhere."""


class Dropped(UpstreamFailure):
    """The connection ended before the first byte of the answer; the work may have been done.

    ``reused``: it was an idle connection, so most likely it had been closed before we wrote.
    """

    def __init__(self, message: str, *, reused: bool) -> None:
        super().__init__(message)
        self.reused = reused


class BadAnswer(UpstreamFailure):
    """What came back is no HTTP answer, or it ended before it was whole."""


class TimedOut(UpstreamFailure):
    """Nothing moved for as long as the route allows."""


class ClientGone(Exception):
    """The client closed its side; nobody waits for the answer."""
