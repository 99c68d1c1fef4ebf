"""kombu's Redis transport as Celery should use it for hints.

When its connection is lost, kombu puts unacknowledged messages back over the
connection that it has just torn down, and the AttributeError of that ends the
Celery worker (kombu 5.7, ``Channel.close``). Hints need not be put back: the
sweep repeats them.
"""

from kombu.transport import redis


class HintChannel(redis.Channel):
    do_restore = False


class HintTransport(redis.Transport):
    Channel = HintChannel
