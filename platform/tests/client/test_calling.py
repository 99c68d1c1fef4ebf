"""What goes over the wire: headers, deadlines, and a real server for the transport."""

import socket
import threading
from dataclasses import dataclass
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from atoll import context
from atoll.client import ServiceClient
from atoll.client.failures import NoReply, NotSent, TimedOut
from atoll.client.pool import Pool
from atoll.client.reply import Reply
from atoll.client.transport import Transport
from atoll.discovery.instances import Instance
from atoll.errors import BadAnswer, Conflict, DeadlineExceeded, NotFound, TooManyRequests
from client.world import OK, World


def test_a_call_carries_the_ids_of_the_work_it_belongs_to():
    world = World({"a": [OK]})
    with context.work(correlation_id="corr-0001", idempotency_key="delivery-1"):
        world.client().get("/users/1", token=False)
        world.client().post("/users", json={"unitPrice": 1}, token="abc")

    read, written = world.sent
    assert read.headers["X-Correlation-ID"] == written.headers["X-Correlation-ID"] == "corr-0001"
    assert read.headers["X-Request-ID"] != written.headers["X-Request-ID"]
    assert read.headers["X-Service-Name"] == "library-service"
    assert "Authorization" not in read.headers
    assert "Idempotency-Key" not in read.headers
    assert written.headers["Authorization"] == "Bearer abc"
    assert written.headers["Idempotency-Key"] == "delivery-1"
    assert written.headers["Content-Type"] == "application/json"
    assert written.body == b'{"unitPrice":1}'


def test_without_a_token_the_service_proves_itself(monkeypatch):
    monkeypatch.setattr("atoll.client.own_token._supplier", lambda: "own")
    world = World({"a": [OK]})

    world.client().get("/users/1")

    assert world.sent[0].headers["Authorization"] == "Bearer own"


def test_the_caller_cannot_fake_the_ids_by_hand():
    world = World({"a": [OK]})
    with context.work(correlation_id="corr-0001"):
        world.client().get("/", token=False, headers={"X-Correlation-ID": "other", "X-Shown": "yes"})

    assert world.sent[0].headers["X-Correlation-ID"] == "corr-0001"
    assert world.sent[0].headers["X-Shown"] == "yes"


def test_the_deadline_shrinks_down_the_chain_and_over_retries():
    world = World({"a": [NoReply, OK]}, took_s=1.0)
    with context.work(correlation_id="corr-0001", deadline=world.clock.now + 3.0):
        world.client().get("/users/1", token=False)

    first, second = world.sent
    assert (first.timeout_s, first.headers["X-Deadline-Ms"]) == (3.0, "3000")
    assert second.timeout_s == pytest.approx(1.95)
    assert second.headers["X-Deadline-Ms"] == "1950"


def test_without_a_deadline_of_the_work_the_client_s_own_time_counts():
    world = World({"a": [OK]})
    world.client(timeout_s=2.0).get("/users/1", token=False)
    world.client(timeout_s=2.0).get("/users/1", token=False, timeout_s=0.5)
    world.client(timeout_s=2.0).get("/users/1", token=False, deadline=world.clock.now + 0.25)

    assert [sent.timeout_s for sent in world.sent] == [2.0, 0.5, 0.25]


def test_a_deadline_that_has_passed_sends_nothing():
    world = World({"a": [OK]})
    with context.work(correlation_id="corr-0001", deadline=world.clock.now), pytest.raises(DeadlineExceeded):
        world.client().get("/users/1", token=False)

    assert world.sent == []


def test_a_4xx_becomes_the_refusal_of_its_status_when_asked():
    body = b'{"error": "Not found", "message": "No such user.", "code": "user_not_found"}'
    with pytest.raises(NotFound) as refusal:
        Reply("user-service", 404, {}, body).raise_for_status()
    assert (refusal.value.message, refusal.value.code) == ("No such user.", "user_not_found")

    with pytest.raises(Conflict):
        Reply("user-service", 409, {}, b"not json").raise_for_status()
    with pytest.raises(TooManyRequests) as limited:
        Reply("user-service", 429, {"retry-after": "7"}, b"{}").raise_for_status()
    assert limited.value.retry_after_s == 7
    assert Reply("user-service", 204, {}, b"").raise_for_status().ok


def test_an_answer_that_is_not_json_is_a_bad_answer():
    with pytest.raises(BadAnswer):
        Reply("user-service", 200, {}, b"<html>").json()


@dataclass(frozen=True)
class Price:
    unit_price: Decimal
    currency: str = "EUR"


def test_an_answer_is_read_into_a_dataclass_and_more_fields_do_not_matter():
    reply = Reply("product-service", 200, {}, b'{"unitPrice": 19.90, "name": "Tea"}')

    assert reply.json(Price) == Price(Decimal("19.90"))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"{}", "unitPrice: is missing"),
        (b'{"unitPrice": "cheap"}', "unitPrice: cannot be read"),
        (b"[]", "must be an object, not"),
    ],
)
def test_an_answer_that_does_not_fit_its_dataclass_is_a_bad_answer_that_names_the_field(
    body: bytes, fault: str
):
    with pytest.raises(BadAnswer, match="product-service: its 200 answer is no Price: ") as refusal:
        Reply("product-service", 200, {}, body).json(Price)

    assert fault in refusal.value.message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        match self.path.split("?")[0]:
            case "/redirect":
                self.answer(302, Location="http://127.0.0.1:1/")
            case "/cookie":
                self.answer(200, Set_Cookie="a=1")
            case "/hang":
                self.server.hanging.wait(20)
            case "/break":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "/stall":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
                self.server.hanging.wait(20)
            case "/chunked":
                port = str(self.client_address[1]).encode()
                self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                self.wfile.write(b"2\r\nab\r\n" + b"5\r\n" + port + b"\r\n0\r\n\r\n")
            case "/empty":
                self.send_response(204)
                self.send_header("X-Port", str(self.client_address[1]))
                self.end_headers()
            case "/garbage":
                self.wfile.write(b"no http at all\r\n\r\n")
                self.close_connection = True
            case _:
                self.answer(200)

    def answer(self, status, **headers):
        body = f"{self.headers.get('Cookie')} {self.path} {self.client_address[1]}".encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        return


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.hanging = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.hanging.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def send(server):
    transport = Transport()

    def send(path, timeout_s=5.0, port=None, params=None):
        url = f"http://127.0.0.1:{port or server.server_port}{path}"
        return transport.send("GET", url, params=params, headers={}, body=None, timeout_s=timeout_s)

    yield send
    transport.close()


def test_connections_are_used_again_and_cookies_are_not(send):
    first = send("/cookie").content.split()
    second = send("/plain", params={"q": "a b"}).content.split()

    assert first[2] == second[2], "the same connection"
    assert second[:2] == [b"None", b"/plain?q=a+b"]


def test_a_redirect_is_an_answer_and_not_followed(send):
    raw = send("/redirect")

    assert (raw.status, raw.headers["location"]) == (302, "http://127.0.0.1:1/")


def test_a_port_where_nobody_listens_was_certainly_not_reached(send):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent):
            send("/", port=unused.getsockname()[1])


@pytest.mark.parametrize("path", ["/break", "/garbage"])
def test_an_answer_that_breaks_off_may_have_been_received(send, path):
    with pytest.raises(NoReply):
        send(path)


def test_no_answer_in_time_is_a_time_out(send):
    with pytest.raises(TimedOut):
        send("/hang", timeout_s=0.1)


def test_an_answer_that_stalls_is_a_time_out(send):
    with pytest.raises(TimedOut):
        send("/stall", timeout_s=0.2)


def test_an_answer_above_the_limit_is_refused_and_the_next_one_is_read(send, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("atoll.client.transport.MAX_ANSWER_BYTES", 3)
        with pytest.raises(NoReply, match="larger than 3 bytes"):
            send("/plain")

    assert send("/plain").status == 200


def test_answers_in_chunks_and_without_a_body_leave_the_connection_open(send):
    port = send("/empty").headers["x-port"]

    assert send("/chunked").content == b"ab" + port.encode()
    assert send("/plain").content.split()[2] == port.encode()


def test_parameters_are_encoded_lists_repeat_them_and_none_leaves_them_out(send):
    asked = send("/plain?a=1", params={"b": ["x", "y z"], "c": None, "d": "ä&"}).content.split()

    assert asked[1] == b"/plain?a=1&b=x&b=y+z&d=%C3%A4%26"


def test_an_address_that_is_none_was_certainly_not_sent(send):
    with pytest.raises(NotSent):
        send("/", port="no-port")


def test_an_idle_connection_older_than_the_limit_is_not_used(send, monkeypatch):
    monkeypatch.setattr("atoll.client.transport.IDLE_S", -1.0)
    first = send("/plain").content.split()
    second = send("/plain").content.split()

    assert first[2] != second[2]


def test_a_fixed_url_replaces_discovery(server, monkeypatch):
    monkeypatch.setenv("USER_SERVICE_URL", f"http://127.0.0.1:{server.server_port}/")
    pool = Pool()

    assert ServiceClient("user-service", pool=pool).get("/plain", token=False).ok
    assert Instance.from_url("https://users.internal").url == "https://users.internal:443"
    pool.transport.close()
