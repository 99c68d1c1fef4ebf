"""``/metrics`` of a worker, on a port of its own that the registry tells."""

import structlog
from prometheus_client import start_http_server

from atoll import conf
from atoll.conf import options

log = structlog.get_logger("atoll.bus")


def serve_metrics() -> int | None:
    """Serve this process's metrics in the background; the port, or None when it is turned off or taken.

    WORKER_METRICS_PORT is the port, 0 for a free one that the registry tells; without a registry nobody
    would find that one. WORKER_METRICS=false turns it off. Outside of development it listens on all
    addresses, as a web process does.
    """
    project = conf.project_name()
    port = options.WORKER_METRICS_PORT.value(project)
    if not options.WORKER_METRICS.value(project) or not (port or conf.has_registry()):
        return None
    host = "127.0.0.1" if conf.environment() == "development" else "0.0.0.0"  # noqa: S104
    try:
        server, _thread = start_http_server(port, host)
    except OSError as error:
        log.warning("the worker's metrics cannot be served", error=str(error))
        return None
    return int(server.server_port)
