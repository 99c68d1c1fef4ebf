"""Answers of services, byte for byte (RFC 9112 §4 to §7): those that are relayed, and those that are none."""

from dataclasses import dataclass, field

from gateway.tests.battery.case import shown

OK = b"HTTP/1.1 200 OK\r\n"
FIVE = OK + b"Content-Length: 5\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


@dataclass(frozen=True)
class AnswerCase:
    """The service sends ``sent``, and with ``ends`` closes its connection. The client gets the rest.

    ``status`` 0: the connection of the client breaks off. ``without``: fields that the client does not get.
    """

    name: str
    sent: bytes = field(repr=False)
    status: int = 200
    body: bytes = b"hello"
    ends: bool = False
    method: bytes = b"GET"
    without: tuple[str, ...] = ()


def _bad(name: str, sent: bytes) -> AnswerCase:
    return AnswerCase(name, sent, 503, b"", ends=True)


RELAYED = [
    AnswerCase("9112-6.3 a length", FIVE + b"\r\nhello"),
    AnswerCase("9112-6.3 a length and the end", FIVE + b"\r\nhello", ends=True),
    AnswerCase("9112-6.3 chunks", CHUNKED + HELLO),
    AnswerCase(
        "9112-6.3 chunks with extensions and trailers",
        CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: 1\r\n\r\n",
    ),
    AnswerCase("9112-6.3 the end of the connection ends the body", OK + b"\r\nhello", ends=True),
    AnswerCase("9112-6.3 HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", ends=True),
    AnswerCase(
        "9112-6.3 HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", ends=True
    ),
    AnswerCase("9112-4 an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
    AnswerCase("9112-4 no reason", b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"),
    AnswerCase("9110-15.1 an unknown status", b"HTTP/1.1 299 Odd\r\nContent-Length: 5\r\n\r\nhello", 299),
    AnswerCase("9110-15.4 404", b"HTTP/1.1 404 Gone\r\nContent-Length: 5\r\n\r\nhello", 404),
    AnswerCase("9110-15.6 500", b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nhello", 500),
    AnswerCase("9112-6.3 204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    AnswerCase("9112-6.3 304", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 304, b""),
    AnswerCase(
        "9112-6.3 304 with the length of what it stands for",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        304,
        b"",
    ),
    AnswerCase("9110-9.3.2 HEAD with a length", FIVE + b"\r\n", 200, b"", method=b"HEAD"),
    AnswerCase("9110-9.3.2 HEAD with chunks", CHUNKED, 200, b"", method=b"HEAD"),
    AnswerCase("9112-6.3 an empty body", OK + b"Content-Length: 0\r\n\r\n", body=b""),
    AnswerCase("9110-15.2 100 before it", b"HTTP/1.1 100 Continue\r\n\r\n" + FIVE + b"\r\nhello"),
    AnswerCase(
        "9110-15.2 103 and 102 before it",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + FIVE + b"\r\nhello",
    ),
    AnswerCase("9112-5.1 no space behind the colon", OK + b"content-length:5\r\n\r\nhello"),
    AnswerCase(
        "9110-7.6.1 fields for one hop",
        FIVE + b"Connection: X-A, keep-alive\r\nX-A: 1\r\nKeep-Alive: timeout=9\r\nTE: x\r\n\r\nhello",
        without=("x-a", "keep-alive", "te"),
    ),
    AnswerCase(
        "gateway fields that are the gateway's",
        FIVE + b"Server: s\r\nX-User-ID: 1\r\nX-Service-Name: s\r\nX-Atoll-Secret: 1\r\n\r\nhello",
        without=("server", "x-user-id", "x-service-name", "x-atoll-secret"),
    ),
]
STATUS_LINES = [
    b"HTTP/2.0 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 abc OK", b"HTTP/1.1 099 OK",
    b"HTTP/1.1 600 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1", b"200 OK", b"ICY 200 OK", b"http/1.1 200 OK",
    b" HTTP/1.1 200 OK", b"HTTP/1.1 +20 OK", b"HTTP/1.1\t200 OK", b"HTTP/1.1 200 O\x00K", b"GET / HTTP/1.1",
    b"\x00\x00\x00", b"<html>",
]  # fmt: skip
LINES = [
    b"X-A : 1", b" X-A: 1", b"X-A", b": 1", b"X-A: 1\r\n folded", b"X-A: 1\r\n\tfolded", b"X-A: \x00",
    b"X-A: a\rb", b"X-A: 1\nX-B: 2", b"X A: 1", b"X(A): 1", b"X\x00A: 1",
]  # fmt: skip
FRAMINGS = [
    b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 5, 5",
    b"Content-Length: 5\r\nContent-Length: 6", b"Content-Length: 0x5", b"Content-Length: five",
    b"Content-Length: ", b"Content-Length: 99999999999999999999999",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: gzip", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity", b"Content-Length : 5",
]  # fmt: skip
BAD_CHUNKS = [
    b"+5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5_\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n", b"g\r\n", b"\r\n", b"FFFFFFFFFFFFFFFFF\r\n", b"5\r\nhelloo\r\n0\r\n\r\n",
]  # fmt: skip

NO_ANSWERS = [
    *(
        _bad(f"9112-4 status line {shown(line)}", line + b"\r\nContent-Length: 5\r\n\r\nhello")
        for line in STATUS_LINES
    ),
    *(_bad(f"9112-5 line {shown(line)}", FIVE + line + b"\r\n\r\nhello") for line in LINES),
    *(_bad(f"9112-6.3 framing {shown(line)}", OK + line + b"\r\n\r\n" + HELLO) for line in FRAMINGS),
    _bad("9112-8 nothing", b""),
    _bad("9112-8 half a status line", b"HTTP/1.1 20"),
    _bad("9112-8 half a head", FIVE),
    _bad("9110-15.2.2 101 unasked", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    _bad("9112-5 fields without end", OK + b"X-Pad: aaaaaaaaaaaa\r\n" * 8000),
    _bad("9112-5 a field without end", OK + b"X-Pad: " + b"a" * 200_000),
]
BROKEN_OFF = [
    AnswerCase("9112-6.3 more than its length", FIVE + b"\r\nhelloHTTP/1.1 200 OK\r\n\r\n", 0, ends=True),
    *(AnswerCase(f"9112-7.1 chunks {shown(raw)}", CHUNKED + raw, 0, ends=True) for raw in BAD_CHUNKS),
    AnswerCase("9112-8 less than its length", FIVE + b"\r\nhel", 0, ends=True),
    AnswerCase("9112-8 chunks without their end", CHUNKED + b"5\r\nhello\r\n", 0, ends=True),
    AnswerCase("9112-8 half a chunk", CHUNKED + b"5\r\nhel", 0, ends=True),
]
CASES = [*RELAYED, *NO_ANSWERS, *BROKEN_OFF]
