"""How asking an instance can fail, by what the failure says about the request."""


class UpstreamFailure(Exception):
    """The instance gave no answer."""


class NotSent(UpstreamFailure):
    """No connection, so the instance has not received the request."""


class NoReply(UpstreamFailure):
    """The connection broke, or the answer cannot be read. The instance may have received the request."""


class TimedOut(UpstreamFailure):
    """The time for the answer is over. The instance may have received the request."""
