import json

import pytest
from asgiref.sync import async_to_sync

from atoll.api.asgi import BodyLimited, _TooLarge

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


def ask(pieces, application=count_body, **headers):
    sent, waiting = [], list(pieces)

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
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


def test_an_answer_that_has_begun_is_not_followed_by_a_second():
    async def eager(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await count_body(scope, receive, send)

    with pytest.raises(_TooLarge):
        ask([b"x" * 101], application=eager)
