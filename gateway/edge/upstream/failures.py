"""How an exchange with an upstream can fail, beside the failures of every caller (atoll.client.failures)."""

from atoll.client.failures import NoReply


class Dropped(NoReply):
    """The connection ended before the first byte of the answer. The instance may have done the work.

    ``reused``: it was an idle connection, so the instance had most likely closed it before we wrote.
    """

    def __init__(self, message: str, *, reused: bool) -> None:
        super().__init__(message)
        self.reused = reused


class BadAnswer(NoReply):
    """The answer is not HTTP, or it ended before it was complete."""


class ClientGone(Exception):
    """The client closed its connection, so nobody waits for the answer."""
