import http.server
import threading
import time

import pytest

from bench.gateway import __main__ as bench
from bench.gateway import ours, paced, peers
from bench.gateway.load import Load
from bench.gateway.ours import Features
from bench.gateway.processes import Server
from gateway.edge.routes import snapshot

PAUSE_S = 0.1


class Pausing(http.server.BaseHTTPRequestHandler):
    """Answers at once, but the tenth request after a pause, and refuses the last."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self) -> None:
        Pausing.count += 1
        if Pausing.count == 10:
            time.sleep(PAUSE_S)
        self.send_response(200 if Pausing.count < 100 else 500)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def pausing(monkeypatch):
    monkeypatch.setattr(paced, "CONNECTIONS", 1)
    monkeypatch.setattr(paced, "wait_until_idle", lambda server: None)
    monkeypatch.setattr(Pausing, "count", 0)
    server = http.server.HTTPServer(("127.0.0.1", 0), Pausing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Server("pausing", server.server_address[1], 0)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pause_of_the_server_counts_for_all_requests_that_were_due_in_it(pausing):
    measured = paced.measure(pausing, Load(), rate=200, seconds=0.5)

    assert len(measured.times_us) == 100
    assert measured.bad == 1
    # 20 requests were due in the pause; the last of them waited for a part of it only.
    assert sum(took > PAUSE_S / 4 * 1e6 for took in measured.times_us) >= 10
    assert measured.percentile(0.99) >= PAUSE_S * 0.9 * 1e6


@pytest.mark.parametrize("features", [Features(), *bench.FEATURES.values()])
def test_the_gateway_takes_the_table_that_is_measured(features):
    (route,) = snapshot.read(ours.table(features)).routes
    assert (route.access == "signed_in") == features.token
    assert bool(route.rate_limit) == features.limit


def test_an_unknown_name_is_refused_before_anything_starts(capsys):
    with pytest.raises(SystemExit):
        bench.arguments(["--only", "nginx,iis"])
    assert "there is no iis" in capsys.readouterr().err
    assert bench.arguments([]).names == ["atoll", *peers.PEERS]
