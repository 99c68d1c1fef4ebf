"""Where a body ends: Content-Length, Transfer-Encoding, and both (RFC 9112 §6, RFC 9110 §8.6)."""

from gateway.tests.battery.case import SMUGGLED, Case, Request, get, post, refused, shown, taken

HELLO = Request("POST", body=b"hello")
EMPTY = Request("POST")

LENGTHS = [b"5", b" 5", b"5 ", b"\t5\t", b"05", b"0005"]
BAD_LENGTHS = [
    b"+5", b"-5", b"-0", b"5 5", b"5,5", b"5, 5", b"5,6", b"5;", b"5;q=1", b"5.0", b"5.", b".5", b"1e1",
    b"0x5", b"0X5", b"0b1", b"0o5", b"5_0", b"_5", b"5_", b"5h", b"five", b"", b" ", b"\t", b"''", b'"5"',
    b"'5'", b"NaN", b"Infinity", b"null", b"\xd9\xa5", b"\xef\xbc\x95", b"\xb2", b"5\xa0", b"5\t5",
    b"99999999999999999999999999", b"18446744073709551621", b"9223372036854775808", b"4294967301x",
]  # fmt: skip
CODINGS = [b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"chunked ", b"\tchunked", b"chunked\t"]
OTHER_CODINGS = [
    b"identity, chunked", b"gzip, chunked", b"deflate, chunked", b"chunked, chunked", b",chunked",
    b", chunked",
]  # fmt: skip
ENDLESS_CODINGS = [
    b"xchunked", b"chunkedx", b"chunk", b"chunked;q=1", b"chunked; a=b", b"chunked, identity", b"identity",
    b"gzip", b"chunked, gzip", b"chunked,", b"chunked, ", b"'chunked'", b'"chunked"', b"chun ked",
    b"chunked chunked", b"chunked/1", b"chunked:", b"=chunked", b"\xc3\xa7hunked", b"chunked\xa0",
    b"\x85chunked", b"", b" ", b"cow", b"trailers", b"compress", b"x-gzip",
]  # fmt: skip
MALFORMED_CODINGS = [
    b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked", b"Transfer-Encoding", b"Transfer-Encoding chunked",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:\x0cchunked", b"Transfer-Encoding: chunked\x00",
    b"Transfer-Encoding: \x00chunked", b"Transfer-Encoding\x00: chunked", b"\x00Transfer-Encoding: chunked",
    b"Transfer-Encoding\x0b: chunked", b"\xef\xbb\xbfTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding:\r\n\tchunked",
    b"Transfer-Encoding: chun\r\n ked", b"Transfer-Encoding:\n chunked", b"Transfer-Encoding: chunked\r",
    b"Transfer-Encoding: chunked\x7f", b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked", b"X: y\n\rTransfer-Encoding: chunked",
    b"X: y\r\rTransfer-Encoding: chunked", b"Transfer\xadEncoding: chunked", b"Transfer Encoding: chunked",
    b"(Transfer-Encoding: chunked", b"Transfer-Encoding(: chunked", b"Transfer/Encoding: chunked",
    b"Transfer-Encoding;: chunked",
]  # fmt: skip
HIDDEN = b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED


def _lengths() -> list[Case]:
    good = [
        taken(f"9110-8.6 length {shown(value)}", post(b"Content-Length:" + value, body=b"hello"), HELLO)
        for value in LENGTHS
    ]
    bad = [
        refused(
            f"9110-8.6 length {shown(value)}",
            post(b"Content-Length: " + value, body=b"hello" + SMUGGLED),
            code="content_length",
        )
        for value in BAD_LENGTHS
    ]
    zero = [
        taken(f"9110-8.6 length {shown(value)} is an empty body", post(b"Content-Length: " + value), EMPTY)
        for value in (b"0", b"00")
    ]
    return good + bad + zero


def _repeated_lengths() -> list[Case]:
    pairs = [(b"5", b"5"), (b"5", b"6"), (b"0", b"5"), (b"5", b"0"), (b"5", b""), (b"", b"5"), (b"5", b"-5")]
    cases = [
        refused(
            f"9112-6.3 lengths {shown(one)} and {shown(other)}",
            post(b"Content-Length: " + one, b"content-length: " + other, body=b"hello" + SMUGGLED),
            code="content_length",
        )
        for one, other in pairs
    ]
    apart = post(b"Content-Length: 5", b"X-Between: 1", b"CONTENT-LENGTH: 6", body=b"hello" + SMUGGLED)
    return [*cases, refused("9112-6.3 two lengths with a field between", apart, code="content_length")]


def _both() -> list[Case]:
    """CL.TE and TE.CL in each order, and with each reading of the body."""
    cases = []
    for length in (b"0", b"4", b"5", b"6", b"1000"):
        size, coding = b"Content-Length: " + length, b"Transfer-Encoding: chunked"
        name = f"9112-6.1 length {length.decode()}"
        cases += [
            refused(f"{name} before chunked", post(size, coding, body=HIDDEN), code="framing"),
            refused(f"{name} after chunked", post(coding, size, body=HIDDEN), code="framing"),
        ]
    for coding in (b"identity", b"xchunked", b"gzip, chunked", b""):
        sent = post(b"Content-Length: 5", b"Transfer-Encoding: " + coding, body=b"hello" + SMUGGLED)
        cases.append(refused(f"9112-6.1 length beside coding {shown(coding)}", sent, code="framing"))
    return cases


def _codings() -> list[Case]:
    good = [
        taken(
            f"9112-6.1 coding {shown(value)}",
            post(b"Transfer-Encoding:" + value, body=b"5\r\nhello\r\n0\r\n\r\n"),
            HELLO,
        )
        for value in CODINGS
    ]
    other = [
        refused(
            f"9112-6.1 coding {shown(value)}",
            post(b"Transfer-Encoding: " + value, body=HIDDEN),
            501,
            "transfer_encoding",
        )
        for value in OTHER_CODINGS
    ]
    endless = [
        refused(
            f"9112-6.3 coding {shown(value)}",
            post(b"Transfer-Encoding: " + value, body=HIDDEN),
            code="transfer_encoding",
        )
        for value in ENDLESS_CODINGS
    ]
    pairs = [
        (b"chunked", b"chunked", 501),
        (b"chunked", b"identity", 400),
        (b"identity", b"chunked", 501),
        (b"chunked", b"", 400),
        (b"x", b"chunked", 501),
        (b"chunked", b"x", 400),
    ]
    repeated = [
        refused(
            f"9112-6.1 codings {shown(one)} and {shown(other)}",
            post(b"Transfer-Encoding: " + one, b"transfer-encoding: " + other, body=HIDDEN),
            status,
            "transfer_encoding",
        )
        for one, other, status in pairs
    ]
    return good + other + endless + repeated


def _malformed_codings() -> list[Case]:
    alone = [
        refused(
            f"9112-5.1 coding line {shown(line)}",
            post(b"Accept: */*", line, body=HIDDEN),
            code="header_fields",
        )
        for line in MALFORMED_CODINGS
    ]
    beside = [
        refused(
            f"9112-5.1 length beside coding line {shown(line)}",
            post(b"Content-Length: 5", line, body=b"hello" + SMUGGLED),
            code="header_fields",
        )
        for line in MALFORMED_CODINGS
    ]
    return alone + beside


def _methods() -> list[Case]:
    cases = [
        taken(
            f"9110-9.3 {method} with a length",
            get(b"Content-Length: 5", method=method.encode()) + b"hello",
            Request(method, body=b"hello"),
        )
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    ]
    cases += [
        taken(
            f"9110-9.3 {method} with chunks",
            get(b"Transfer-Encoding: chunked", method=method.encode()) + b"5\r\nhello\r\n0\r\n\r\n",
            Request(method, body=b"hello"),
        )
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    ]
    return [
        *cases,
        taken("9112-6.3 POST without a framing has no body", post(), EMPTY),
        taken(
            "9112-6.3 bytes after a body are the next request",
            post(b"Content-Length: 5", body=b"hello") + get(),
            HELLO,
            Request(),
        ),
    ]


def _aliases() -> list[Case]:
    """Names that a service could read as a framing field never reach it, and frame nothing here."""
    cases = []
    for name in (b"Transfer_Encoding", b"Transfer.Encoding", b"Content_Length", b"content.length"):
        value = b"chunked" if b"ransfer" in name else b"5"
        lower = name.decode().lower()
        unseen = Request("POST", without=(lower, lower.replace("_", "-").replace(".", "-")))
        kept = {"content-length"} if b"ength" in name else set()  # the gateway's own length of 0
        unseen = Request("POST", without=tuple(name for name in unseen.without if name not in kept))
        cases.append(taken(f"9112-6.3 {name.decode()} frames nothing", post(name + b": " + value), unseen))
    return cases


def _older() -> list[Case]:
    old = b"HTTP/1.0"
    return [
        taken(
            "9112-6.3 a length in HTTP/1.0",
            post(b"Content-Length: 5", body=b"hello", version=old),
            HELLO,
            keeps=False,
        ),
        refused(
            "9112-6.1 chunked in HTTP/1.0",
            post(b"Transfer-Encoding: chunked", body=HIDDEN, version=old),
            code="framing",
        ),
        refused(
            "9112-6.1 both in HTTP/1.0",
            post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=HIDDEN, version=old),
            code="framing",
        ),
    ]


CASES = [
    *_lengths(),
    *_repeated_lengths(),
    *_both(),
    *_codings(),
    *_malformed_codings(),
    *_methods(),
    *_aliases(),
    *_older(),
]
