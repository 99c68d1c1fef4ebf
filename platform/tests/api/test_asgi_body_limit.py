import asyncio
import json

from asgiref.sync import async_to_sync

from atoll.api import asgi
from atoll.api.asgi import BodyLimited, ConcurrencyLimited

CORRELATION = "01a2061b-478a-7783-8423-c46ab3baa7a8"


async def count_body(scope, receive, send):
    """Answers with the length of the body, once all of it is there."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


def ask(pieces, application=count_body, path="/orders", **headers):
    sent, waiting = [], list(pieces)

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    async_to_sync(BodyLimited(application, max_bytes=100))(scope, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"]), body["body"], len(waiting)


def test_a_body_of_the_limit_passes():
    status, _, body, _ = ask([b"x" * 60, b"x" * 40])
    assert (status, body) == (200, b"100")


def test_reading_stops_where_the_limit_is_passed():
    status, headers, body, unread = ask([b"x" * 60, b"x" * 41, b"x" * 60], x_correlation_id=CORRELATION)
    assert (status, unread) == (413, 1)
    assert json.loads(body)["code"] == "body_too_large"
    assert json.loads(body)["correlationId"] == CORRELATION == headers[b"x-correlation-id"].decode()
    assert headers[b"content-length"] == str(len(body)).encode()


def test_what_is_declared_too_large_is_not_read():
    status, _, _, unread = ask([b"x" * 101], content_length="101")
    assert (status, unread) == (413, 1)


def test_a_length_with_thousands_of_digits_is_too_large():
    status, _, _, unread = ask([b"x"], content_length="9" * 5000)
    assert (status, unread) == (413, 1)


def test_the_admin_is_refused_with_a_page_and_no_detail():
    status, headers, body, _ = ask([b"x" * 101], path="/admin/login/", content_length="101")
    assert (status, headers[b"content-type"]) == (413, b"text/html; charset=utf-8")
    assert b"At most 100 bytes are read in one request." in body


def test_a_body_that_breaks_off_is_refused():
    async def gone():
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/orders", "headers": []}
    async_to_sync(BodyLimited(count_body))(scope, gone, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (400, "invalid_request")


def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr(asgi, "BODY_TIMEOUT_S", 0.01)
    sent = []

    async def send(message):
        sent.append(message)

    async def scenario():
        await BodyLimited(count_body)(
            {"type": "http", "path": "/", "headers": []}, asyncio.Event().wait, send
        )

    asyncio.run(scenario())
    assert sent[0]["status"] == 408


def test_bodies_of_all_requests_together_are_bounded_and_freed(monkeypatch):
    monkeypatch.setattr(asgi, "MAX_HELD_BYTES", 150)
    held, statuses = asyncio.Event(), []

    async def hold(scope, receive, send):
        await receive()
        await held.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    limited = BodyLimited(hold, max_bytes=100)

    async def upload():
        async def receive():
            return {"type": "http.request", "body": b"x" * 100, "more_body": False}

        async def send(message):
            statuses.append(message.get("status"))

        await limited({"type": "http", "path": "/admin/", "headers": []}, receive, send)

    async def scenario():
        first = asyncio.create_task(upload())
        await asyncio.sleep(0)
        await upload()
        assert statuses[0] == 503
        held.set()
        await first
        await upload()
        assert statuses[2] == 200 and statuses[4] == 200
        assert limited._held_bytes == 0

    asyncio.run(scenario())


class Busy:
    """Counts the requests that are in it, which stay until told."""

    def __init__(self):
        self.inside = self.most = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.go_on.wait()
        self.inside -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def flood(application, path, count, statuses):
    async def send(message):
        if "status" in message:
            statuses.append(message["status"])

    scope = {"type": "http", "path": path, "headers": []}
    return [asyncio.create_task(application(scope, None, send)) for _ in range(count)]


def test_no_more_requests_than_told_are_in_django_at_once_and_a_probe_waits_for_none_of_them():
    async def scenario():
        busy, statuses = Busy(), []
        bounded = ConcurrencyLimited(busy, most=2)
        requests = flood(bounded, "/admin/", 10, statuses)
        while busy.inside < 2:
            await asyncio.sleep(0)
        probes = flood(bounded, "/health/live", 1, statuses)
        while busy.inside < 3:
            await asyncio.sleep(0)
        busy.go_on.set()
        await asyncio.gather(*requests, *probes)
        assert (busy.most, statuses) == (3, [200] * 11)

    asyncio.run(scenario())


def test_who_finds_the_line_full_or_waits_too_long_is_told_to_come_again(monkeypatch):
    monkeypatch.setattr(asgi, "MAX_WAITING", 3)
    monkeypatch.setattr(asgi, "MAX_WAIT_S", 0.05)

    async def scenario():
        busy, statuses = Busy(), []
        requests = flood(ConcurrencyLimited(busy, most=1), "/orders", 6, statuses)
        while len(statuses) < 5:
            await asyncio.sleep(0.01)
        assert (busy.most, statuses) == (1, [503] * 5)
        busy.go_on.set()
        await asyncio.gather(*requests)
        assert statuses[-1] == 200

    asyncio.run(scenario())
