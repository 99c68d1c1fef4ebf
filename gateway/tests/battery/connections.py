"""Connections: keep-alive, close, pipelining, Expect, Upgrade (RFC 9112 §9, RFC 9110 §7.8 and §10.1.1)."""

from gateway.tests.battery.case import Case, Request, chunked, get, post, refused, taken

A, B, C = (get(target=b"/open/" + name) for name in (b"a", b"b", b"c"))
AS, BS, CS = (Request(target=f"/open/{name}") for name in "abc")
HELLO = Request("POST", body=b"hello")
POSTED = post(b"Content-Length: 5", body=b"hello")
CHUNKED = chunked(b"5\r\nhello\r\n0\r\n\r\n")
OLD = b"HTTP/1.0"
WAY_TOO_LARGE = b"Content-Length: 2000000"

PERSISTENCE = [
    taken("9112-9.3 HTTP/1.1 persists", get()),
    taken("9112-9.3 Connection keep-alive", get(b"Connection: keep-alive")),
    taken("9112-9.6 Connection close", get(b"Connection: close"), keeps=False),
    taken("9112-9.6 Connection CLOSE", get(b"Connection: CLOSE"), keeps=False),
    taken("9112-9.6 close among others", get(b"Connection: x-a, close"), keeps=False),
    taken(
        "9112-9.6 close in a second Connection",
        get(b"Connection: keep-alive", b"Connection: close"),
        keeps=False,
    ),
    taken(
        "9112-9.6 close with a body",
        post(b"Connection: close", b"Content-Length: 5", body=b"hello"),
        HELLO,
        keeps=False,
    ),
    taken("9112-9.3 HTTP/1.0 ends", get(version=OLD), keeps=False),
    taken("9112-9.3 HTTP/1.0 with close", get(b"Connection: close", version=OLD), keeps=False),
    taken(
        "9112-9.6 a request after close is not served", get(b"Connection: close") + B, Request(), keeps=False
    ),
    taken("9112-9.3 a field called close is none", get(b"Close: 1", b"X-A: close")),
    taken("9112-9.3 closed is not close", get(b"Connection: closed")),
]
PIPELINES = [
    taken("9112-9.3.2 two requests", A + B, AS, BS),
    taken("9112-9.3.2 three requests", A + B + C, AS, BS, CS),
    taken("9112-9.3.2 fifty requests", A * 50, *(AS,) * 50),
    taken("9112-9.3.2 a body between", A + POSTED + B, AS, HELLO, BS),
    taken("9112-9.3.2 chunks between", A + CHUNKED + B, AS, HELLO, BS),
    taken("9112-9.3.2 bodies only", POSTED + CHUNKED + POSTED, HELLO, HELLO, HELLO),
    taken("9112-9.3.2 close as the last", A + get(b"Connection: close"), AS, Request(), keeps=False),
    Case("9112-9.3.2 an unknown route between", get(target=b"/nowhere") + A, (404, 200), True, reaches=(AS,)),
    Case(
        "9112-9.3.2 a refused path between",
        A + get(target=b"/open/../x") + B,
        (200, 400, 200),
        True,
        reaches=(AS, BS),
    ),
    Case(
        "9112-9.3.2 no token between", A + get(target=b"/mine/x") + B, (200, 401, 200), True, reaches=(AS, BS)
    ),
    Case(
        "9112-9.3.2 a refused method with a body",
        get(b"Content-Length: 5", method=b"TRACE") + b"hello" + A,
        (405, 200),
        True,
        reaches=(AS,),
    ),
    Case(
        "9112-9.3.2 a malformed request ends it",
        A + b"BAD\r\n\r\n" + B,
        (200, 400),
        False,
        "request_line",
        reaches=(AS,),
    ),
    Case(
        "9112-9.3.2 a bad length ends it",
        A + post(b"Content-Length: x") + B,
        (200, 400),
        False,
        "content_length",
        reaches=(AS,),
    ),
    Case(
        "9112-9.3.2 bad chunks end it",
        A + chunked(b"x\r\n") + B,
        (200, 400),
        False,
        "body_broken_off",
        reaches=(AS,),
    ),
    Case(
        "9112-9.3.2 a head that is too large ends it",
        A + get(b"X: " + b"a" * 40_000) + B,
        (200, 431),
        False,
        "header_fields_too_large",
        reaches=(AS,),
    ),
    taken(
        "9112-9.3.2 the bytes of a body are no request",
        post(b"Content-Length: %d" % len(A), body=A) + B,
        Request("POST", body=A),
        BS,
    ),
]
EXPECTATIONS = [
    taken(
        "9110-10.1.1 100-continue and the body at once",
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"),
        Request("POST", body=b"hello", without=("expect",)),
    ),
    taken(
        "9110-10.1.1 100-Continue", post(b"Expect: 100-Continue", b"Content-Length: 5", body=b"hello"), HELLO
    ),
    taken(
        "9110-10.1.1 100-continue and chunks",
        post(b"Expect: 100-continue", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        HELLO,
    ),
    taken(
        "9110-10.1.1 100-continue without a body", get(b"Expect: 100-continue"), Request(without=("expect",))
    ),
    taken(
        "9110-10.1.1 100-continue in HTTP/1.0",
        post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello", version=OLD),
        HELLO,
        keeps=False,
    ),
    refused("9110-10.1.1 another expectation", get(b"Expect: tea"), 417, "expectation_failed", keeps=True),
    refused(
        "9110-10.1.1 two expectations",
        get(b"Expect: 100-continue, tea"),
        417,
        "expectation_failed",
        keeps=True,
    ),
    refused(
        "9110-10.1.1 another expectation with a body",
        post(b"Expect: x", b"Content-Length: 5"),
        417,
        "expectation_failed",
    ),
    refused(
        "9110-10.1.1 a body that is too large is refused unsent",
        post(b"Expect: 100-continue", WAY_TOO_LARGE),
        413,
        "body_too_large",
    ),
    refused(
        "9110-10.1.1 a body without a token is refused unsent",
        post(b"Expect: 100-continue", b"Content-Length: 5", target=b"/mine/x"),
        401,
    ),
    refused(
        "9110-10.1.1 a body for nobody is refused unsent",
        post(b"Expect: 100-continue", b"Content-Length: 5", target=b"/nowhere"),
        404,
        "route_not_found",
    ),
]
UPGRADES = [
    taken(
        "9110-7.8 h2c is ignored",
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        Request(without=("upgrade", "http2-settings")),
    ),
    taken(
        "9110-7.8 an unknown protocol is ignored",
        get(b"Connection: Upgrade", b"Upgrade: tea/1"),
        Request(without=("upgrade",)),
    ),
    taken(
        "9110-7.8 TLS is ignored",
        get(b"Connection: Upgrade", b"Upgrade: TLS/1.2"),
        Request(without=("upgrade",)),
    ),
    taken(
        "9110-7.8 with a body",
        post(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5", body=b"hello"),
        HELLO,
    ),
]
BODIES = [
    refused(
        "9110-15.5.14 a length over the limit", post(WAY_TOO_LARGE, body=b"hello"), 413, "body_too_large"
    ),
    refused(
        "9110-15.5.14 a length over the route's limit",
        post(b"Content-Length: 101", body=b"x" * 101, target=b"/small/x"),
        413,
        "body_too_large",
    ),
    refused(
        "9110-15.5.14 chunks over the route's limit",
        chunked(b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n", target=b"/small/x"),
        413,
        "body_too_large",
    ),
    taken(
        "9110-15.5.14 a body at the limit",
        post(b"Content-Length: 100", body=b"x" * 100, target=b"/small/x"),
        Request("POST", "/small/x", b"x" * 100),
    ),
    taken(
        "9110-15.5.14 chunks at the limit",
        chunked(b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n", target=b"/small/x"),
        Request("POST", "/small/x", b"x" * 100),
    ),
]
CASES = [*PERSISTENCE, *PIPELINES, *EXPECTATIONS, *UPGRADES, *BODIES]
