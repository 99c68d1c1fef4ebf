"""The buckets that this process knows: a bounded number, and a flood of new keys forgets the flood first."""

from collections import OrderedDict
from collections.abc import Callable

from gateway.edge.limits.bucket import Bucket

MOST_BUCKETS = 20_000
KEPT_SHARE = 0.8


class BucketCache:
    """A segmented cache: a bucket is new until its second use, and new ones leave first.

    A flood of keys that are used once goes through the place of the new ones alone. ``on_forget`` gets
    each bucket that leaves.
    """

    def __init__(self, on_forget: Callable[[Bucket], None], most: int = MOST_BUCKETS) -> None:
        self._on_forget = on_forget
        self._most = most
        self._new: OrderedDict[str, Bucket] = OrderedDict()
        self._kept: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._new) + len(self._kept)

    def get(self, bucket_id: str) -> Bucket | None:
        return self._kept.get(bucket_id) or self._new.get(bucket_id)

    def add(self, bucket: Bucket) -> None:
        if len(self) >= self._most:
            _, oldest = (self._new or self._kept).popitem(last=False)
            self._on_forget(oldest)
        self._new[bucket.id] = bucket

    def keep(self, bucket: Bucket) -> None:
        """At the second use of a bucket. The oldest kept one becomes new again when there are too many."""
        if self._new.pop(bucket.id, None) is None:
            return
        bucket.is_kept = True
        self._kept[bucket.id] = bucket
        if len(self._kept) > self._most * KEPT_SHARE:
            bucket_id, oldest = self._kept.popitem(last=False)
            oldest.is_kept = False
            self._new[bucket_id] = oldest
