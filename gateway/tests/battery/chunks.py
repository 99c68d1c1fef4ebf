"""Chunked bodies (RFC 9112 §7.1)."""

from gateway.tests.battery.case import SMUGGLED, Case, Request, chunked, refused, shown, taken

HELLO = Request("POST", body=b"hello")
END = b"0\r\n\r\n"
SIZES = [
    b"5",
    b"05",
    b"0005",
    b"000000000000005",
    b"5;",
    b"5;a",
    b"5;a=b",
    b'5;a="b;c"',
    b"5 ;a",
    b"5\t;a=1",
    b"5;a;b;c",
    b"5; a = b",
    b"5;" + b"a" * 900,
]
BAD_SIZES = [
    b"+5", b"-5", b"5_", b"_5", b"0_5", b"0x5", b"0X5", b"x5", b"5h", b"h", b"", b" 5", b"\t5", b"5 5",
    b"5.0",
    b"5,5", b"5:a", b"\x0b5", b"5\x0b", b"5\x0c", b"5\x00", b"\x005", b"\xd9\xa5", b"'5'", b'"5"', b"5\x85",
    b"5\xa0", b"-0", b"+0", b"0x0", b"g", b"5g", b"FFFFFFFFFFFFFFFF5", b"10000000000000005",
    b"100000000000000000000000000000005",
    b"FFFFFFFFFFFFFFFF", b"8000000000000000", b"5;\x00", b"5;a\rb",
    b"5;a\x01", b"5;a\x7f", b"5;" + b"a" * 2000,
]  # fmt: skip
BAD_ENDS = {
    "LF after a size": b"5\nhello\r\n" + END,
    "LF after an extension": b"5;a\nhello\r\n" + END,
    "CR alone after a size": b"5\rhello\r\n" + END,
    "CR CR LF after a size": b"5\r\r\nhello\r\n" + END,
    "LF after the data": b"5\r\nhello\n" + END,
    "CR alone after the data": b"5\r\nhello\r" + END,
    "nothing after the data": b"5\r\nhello" + END,
    "data longer than its size": b"4\r\nhello\r\n" + END,
    "data shorter than its size": b"6\r\nhello\r\n" + END,
    "another byte after the data": b"5\r\nhellox\r\n" + END,
    "LF after the last size": b"5\r\nhello\r\n0\n\r\n",
    "a space at the end of the data": b"5\r\nhello \r\n" + END,
    "a size on a folded line": b"5\r\n \r\nhello\r\n" + END,
}
TRAILERS = [
    b"X-Checksum: abc", b"X-A: 1\r\nX-B: 2", b"X-Empty:", b"Content-Length: 5", b"Host: evil.test",
    b"Transfer-Encoding: chunked", b"X-User-ID: 1", b"Authorization: Bearer x", b"Connection: close",
    b"X_Under: 1",
]  # fmt: skip
BAD_TRAILERS = [
    b"X-A : 1", b" X-A: 1", b"X-A", b": 1", b"X-A: 1\r\n folded", b"X-A: \x00", b"X-A: a\rb",
    b"X-A: 1\nX-B: 2", b"X A: 1", b"X-A: \x7f", b"X-A\xe9: 1", b"\x00", b"X(A): 1",
    b"GET /open/smuggled HTTP/1.1\r\nHost: x",
]  # fmt: skip

SIZES_CASES = [
    taken(f"9112-7.1 size {shown(size)}", chunked(size + b"\r\nhello\r\n" + END), HELLO) for size in SIZES
]
BAD_SIZES_CASES = [
    refused(
        f"9112-7.1 size {shown(size)}",
        chunked(size + b"\r\nhello\r\n" + END + SMUGGLED),
        code="body_broken_off",
    )
    for size in BAD_SIZES
]
BAD_LAST_CASES = [
    refused(
        f"9112-7.1 last size {shown(size)}",
        chunked(b"5\r\nhello\r\n" + size + b"\r\n\r\n" + SMUGGLED),
        code="body_broken_off",
    )
    for size in (b"-0", b"+0", b"0x0", b"0_0", b" 0", b"00000000000000000000", b"0\x00", b"")
]
ENDS_CASES = [
    refused(f"9112-7.1 {name}", chunked(raw + SMUGGLED), code="body_broken_off")
    for name, raw in BAD_ENDS.items()
]
TRAILERS_CASES = [
    taken(
        f"9112-7.1.2 trailer {shown(line)} is no header field",
        chunked(b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n"),
        Request(
            "POST", body=b"hello", without=("x-checksum", "x-user-id", "x-a", "authorization", "x_under")
        ),
    )
    for line in TRAILERS
]
BAD_TRAILERS_CASES = [
    refused(
        f"9112-7.1.2 trailer {shown(line)}",
        chunked(b"5\r\nhello\r\n0\r\n" + line + b"\r\n\r\n" + SMUGGLED),
        code="body_broken_off",
    )
    for line in BAD_TRAILERS
]
ENDLESS = b"X-Pad: " + b"a" * 2000 + b"\r\n"
OTHERS: list[Case] = [
    taken("9112-7.1 an empty chunked body", chunked(END), Request("POST")),
    taken(
        "9112-7.1 sizes in upper and lower case",
        chunked(b"A\r\n0123456789\r\nb\r\n0123456789a\r\n" + END),
        Request("POST", body=b"01234567890123456789a"),
    ),
    taken(
        "9112-7.1 many chunks of a byte", chunked(b"1\r\nx\r\n" * 500 + END), Request("POST", body=b"x" * 500)
    ),
    taken(
        "9112-7.1 CRLF inside of the data",
        chunked(b"9\r\n\r\n0\r\n\r\nab\r\n" + END),
        Request("POST", body=b"\r\n0\r\n\r\nab"),
    ),
    taken(
        "9112-7.1 a request after the last chunk",
        chunked(b"5\r\nhello\r\n" + END + SMUGGLED),
        HELLO,
        Request(target="/open/smuggled"),
    ),
    refused(
        "9112-7.1.1 extensions without end",
        chunked((b"1;" + b"a" * 900 + b"\r\nx\r\n") * 40 + END),
        code="body_broken_off",
    ),
    refused(
        "9112-7.1.2 trailers without end", chunked(b"0\r\n" + ENDLESS * 40 + b"\r\n"), code="body_broken_off"
    ),
]
CASES = [
    *SIZES_CASES,
    *BAD_SIZES_CASES,
    *BAD_LAST_CASES,
    *ENDS_CASES,
    *TRAILERS_CASES,
    *BAD_TRAILERS_CASES,
    *OTHERS,
]
