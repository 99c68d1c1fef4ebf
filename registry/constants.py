"""Times and bounds of the registry's protocol: a heartbeat every 15 s, unhealthy after 60 s of silence."""

from datetime import timedelta

LEASE = timedelta(seconds=60)
# Without a pulse for longer than PULSE_LOST, the registry was away and no heartbeat could reach it.
PULSE = timedelta(seconds=5)
PULSE_LOST = timedelta(seconds=15)
# A silent instance stays in the admin so long, then it is deleted.
FORGET_AFTER = timedelta(minutes=15)
TOMBSTONE_KEPT = timedelta(days=1)
# A deregistered instance without incarnations may register again after so long.
RETURN_AFTER = timedelta(seconds=60)
JOURNAL_KEPT = timedelta(days=30)

MAX_INSTANCES_PER_SERVICE = 500
DEFAULT_WAIT_S = 30.0
MAX_WAIT_S = 300.0
# NOTIFY channels: a service has changed (its name is the payload); credentials have changed.
CHANNEL = "registry_index"
CREDENTIALS_CHANNEL = "registry_credentials"
