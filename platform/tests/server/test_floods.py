"""What a stranger can make a process use: connections of the database, and bytes it reads."""

import json
import socket
import threading

import psycopg2
import pytest
from django.db import connection

from server.running import REGISTRY_DATABASE

FLOOD = 250
MADE_UP = "library_session={key}; registry_session={key}"
PIECE = b"x" * 65536
# What fits into buffers of the kernel and the server on the way, and more than a limit of 1 MiB.
MOST_SENT_BYTES = 24 * 1024 * 1024
ALL_BYTES = 100 * 1024 * 1024
BEGINNINGS = {
    "declared": f"Content-Length: {ALL_BYTES}\r\n\r\n",
    "chunked": "Transfer-Encoding: chunked\r\n\r\n",
}


@pytest.fixture(scope="module")
def ports(world):
    served = world.serve("--port", "0")
    [instance] = world.wait_for(1)
    yield {"wsgi": instance["port"], "asgi": world.registry_port}
    assert served.terminate() == 0


class SessionReaders:
    """The most database connections at once whose last statement read a session, watched beside.

    A count of all connections would also find those that the registry's own threads open for
    heartbeats, at a moment of their choosing.
    """

    def __init__(self, database):
        at = connection.settings_dict
        self._server = psycopg2.connect(
            host=at["HOST"], port=at["PORT"], user=at["USER"], password=at["PASSWORD"], dbname="postgres"
        )
        self._server.autocommit = True
        self._database = database
        self._stop = threading.Event()
        self.most = 0
        self._thread = threading.Thread(target=self._watch)

    def now(self):
        with self._server.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
                " AND backend_type = 'client backend' AND query LIKE '%%FROM \"django_session\"%%'",
                [self._database],
            )
            return cursor.fetchone()[0]

    def __enter__(self):
        self.before = self.most = self.now()
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.005):
            self.most = max(self.most, self.now())

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._server.close()


def status(port, path, cookie):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as asking:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        asking.sendall(head.encode())
        return int(asking.makefile("rb").readline().split()[1])


def flood(port, path):
    statuses = []
    threads = [
        threading.Thread(
            target=lambda n=n: statuses.append(status(port, path, MADE_UP.format(key=f"{n:032x}")))
        )
        for n in range(FLOOD)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_a_flood_of_made_up_sessions_opens_no_database_connection(ports, server, db):
    database = REGISTRY_DATABASE if server == "asgi" else str(connection.settings_dict["NAME"])
    with SessionReaders(database) as readers:
        statuses = flood(ports[server], "/admin/oidc/signed-out")
    assert len(statuses) == FLOOD
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= 8
    assert readers.most <= readers.before


def upload(port, path, how):
    """Sends until it is told to stop: the status, headers and body of the answer, and how much was sent."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=30) as asking:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{BEGINNINGS[how]}"
        )
        asking.sendall(head.encode())
        answer = b""

        def read():
            nonlocal answer
            try:
                while piece := asking.recv(65536):
                    answer += piece
            except OSError:
                return

        reader = threading.Thread(target=read)
        reader.start()
        piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if how == "chunked" else PIECE
        try:
            while sent < ALL_BYTES and not answer:
                asking.sendall(piece)
                sent += len(PIECE)
        except OSError:
            pass
        reader.join(30)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body, sent


@pytest.mark.parametrize("how", BEGINNINGS)
@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("wsgi", "/echo"),
        ("wsgi", "/admin/login/"),
        ("wsgi", "/nowhere"),
        ("wsgi", "/static/atoll/api/error.css"),
        ("asgi", "/admin/login/"),
        ("asgi", "/nowhere"),
        ("asgi", "/metrics"),
    ],
)
def test_a_body_without_end_is_refused_before_it_is_kept(ports, server, path, how):
    code, head, body, sent = upload(ports[server], path, how)
    assert code == 413
    assert sent < MOST_SENT_BYTES
    if path.startswith("/admin"):
        assert "text/html" in head
        assert b"Too large" in body or b"too large" in body
    else:
        assert json.loads(body)["code"] == "body_too_large"
    assert status(ports[server], "/health/live", "") == 200


@pytest.mark.parametrize(("how", "refused"), [("declared", 413), ("chunked", 401)])
def test_a_body_without_end_to_a_call_of_the_registry_is_refused_unread(ports, how, refused):
    """Who shows no credential is refused for that, before any of the body is read."""
    code, _, body, sent = upload(ports["asgi"], "/register", how)
    assert code == refused
    assert sent < MOST_SENT_BYTES
    assert set(json.loads(body)) == {"error", "message", "code", "correlationId", "details"}
    assert status(ports["asgi"], "/health/live", "") == 200
