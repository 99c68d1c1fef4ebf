"""What the registry counts, for ``/metrics``; summed over its processes."""

from prometheus_client import Counter, Gauge

BEATS = Counter("registry_heartbeats", "Heartbeats accepted.")
REFUSED = Counter("registry_refused", "Calls refused, by reason.", ("code",))
SHED = Counter("registry_shed", "Calls dropped because there was too much to do, by lane.", ("lane",))
LEFT = Counter("registry_left", "Calls whose caller went away before they were answered.")
WAITING = Gauge(
    "registry_waiting_reads", "Blocking reads that wait for a change.", multiprocess_mode="livesum"
)
LATE = Gauge(
    "registry_late_answers", "Wrong credentials that wait for their answer.", multiprocess_mode="livesum"
)
