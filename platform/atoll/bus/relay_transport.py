"""kombu's Redis transport as the relay should use it.

kombu takes a message off its queue and notes in a second command that it was
taken: a process killed in between would take the message with it. So the note is
written when the message is put into the queue, for the service whose queue it is.
Acknowledging deletes the note; what is left after ``VISIBILITY_TIMEOUT_S`` is put
back, and the inbox drops it when it was only slow.
"""

import time
from typing import Any

from kombu.transport import redis
from kombu.utils.json import dumps

from atoll.bus import topology


class RelayChannel(redis.Channel):
    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        keys = topology.unacked_keys("ingest", topology.service_of(queue))
        tag = message["properties"]["delivery_tag"]
        way = message["properties"]["delivery_info"]
        note = dumps([message, way["exchange"], way["routing_key"]])
        priority = self._get_message_priority(message, reverse=False)
        with self.conn_or_acquire() as client, client.pipeline() as together:
            together.zadd(keys["unacked_index_key"], {tag: time.time()})
            together.hset(keys["unacked_key"], tag, note)
            together.lpush(self._q_for_pri(queue, priority), dumps(message))
            together.execute()


class RelayTransport(redis.Transport):
    Channel = RelayChannel
