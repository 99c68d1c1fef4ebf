"""The times of the protocol (design: one beat in 15 s, unhealthy after 60 s of silence)."""

from datetime import timedelta

LEASE = timedelta(seconds=60)
# A registry that did not live for longer than this was away; beats could not reach it.
PULSE = timedelta(seconds=5)
PULSE_LOST = timedelta(seconds=15)
# A silent instance stays visible to operators this long, then it is forgotten.
FORGET_AFTER = timedelta(minutes=15)
TOMBSTONE_KEPT = timedelta(days=1)
# How long an instance that does not number its lives must wait before it may come back.
QUARANTINE = timedelta(seconds=60)
JOURNAL_KEPT = timedelta(days=30)

MAX_INSTANCES_PER_SERVICE = 500
DEFAULT_WAIT_S = 30.0
MAX_WAIT_S = 300.0
# NOTIFY: a service's answer changed (its name is the payload), credentials changed.
CHANNEL = "registry_index"
CREDENTIALS_CHANNEL = "registry_credentials"
