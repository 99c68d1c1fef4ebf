"""``python manage.py PROJECT serve``: one instance from its start to its end.

starting -> answers /health/live -> ready, registered, beating
SIGTERM  -> draining, deregistered -> a moment of grace -> running requests end -> exit 0
"""

import gc
import logging
import os
import threading
from importlib import import_module

from django.conf import settings
from django.db import connections

from atoll import conf, tracing
from atoll.postgresql import bound, budget
from atoll.server import lifecycle, listening, worker_process
from atoll.server.announcement import Announcement
from atoll.server.http_server import HTTPServer
from atoll.server.identity import describe, instance_id
from atoll.server.registration import Registration

logger = logging.getLogger(__name__)

# The registry keeps the spans. Its own pages and calls would fill the store with themselves.
REGISTRY = "registry"


def serve(*, host: str, port: int, workers: int, threads: int, advertise: str | None = None) -> None:
    """Serve the running project until SIGTERM or SIGINT. A second signal ends the wait for callers.

    Raises PortBusy. While the registry is away the server serves, and a thread tries again to register.
    Without a registry it only serves.
    """
    project = conf.project(conf.project_name())
    bound.hold_to(budget.web(project.name, threads))
    if problem := budget.server_shortage(project.name, settings.DATABASES["default"]):
        logger.warning("too few database connections: %s", problem)
    target = application_of(project)
    if project.name != REGISTRY:
        tracing.start(tracing.Origin(project.name, project.service, instance_id(project.service), "serve"))
    listener = listening.listen(host, port)
    bound_port: int = listener.getsockname()[1]
    advertised = listening.advertised_host(host, advertise)
    registration = None
    if conf.has_registry():
        registration = Registration(
            project.name,
            advertised,
            bound_port,
            describe(project.name),
            on_status=lambda status: announcement.follow(status),
        )
    announcement = Announcement(registration, reachable(host), bound_port)
    state_file = lifecycle.create()
    lifeline = os.pipe()
    hurry = threading.Event()

    def withdraw_then_stop() -> None:
        announcement.withdraw(hurry)
        server.stop()

    def interrupted() -> None:
        if withdrawal.ident is None:
            withdrawal.start()
        else:
            hurry.set()

    share_memory_with_workers(target)
    withdrawal = threading.Thread(target=withdraw_then_stop, name="withdrawal", daemon=True)
    server = HTTPServer(
        target,
        listener,
        title=(project.name, "serve"),
        is_asgi=project.server == "asgi",
        workers=workers,
        threads=threads,
        lifeline=lifeline,
        on_spawned=announcement.start,
        on_interrupt=interrupted,
    )
    try:
        server.run()
    finally:
        if registration:
            registration.stop()
        state_file.unlink(missing_ok=True)


def application_of(project: conf.Project) -> str:
    """The module and the name of the application. A project of one's own says them in Django's setting."""
    if conf.stands_alone() and settings.WSGI_APPLICATION:
        return ":".join(settings.WSGI_APPLICATION.rsplit(".", 1))
    return f"{project.package}.{project.server}:application"


def share_memory_with_workers(target: str) -> None:
    """Import the application before the fork and freeze its objects, so that workers share the memory.

    The garbage collector would otherwise copy the shared pages. Closes all database connections. Raises the
    error of a module that cannot be imported. Django alone would import the pages at the first request, and
    answer each request with 500.
    """
    worker_process.load_application(target)
    import_module(settings.ROOT_URLCONF)
    connections.close_all()
    gc.collect()
    gc.freeze()


def reachable(host: str) -> str:
    """The address at which this machine reaches a server that is bound to ``host``."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
