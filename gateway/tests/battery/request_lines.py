"""Request lines: versions, methods, white space, other protocols (RFC 9112 §2 and §3)."""

from gateway.tests.battery.case import HOST, SMUGGLED, Case, Request, get, refused, shown, taken

GET = b"GET /open/x HTTP/1.1\r\n"
OTHER_VERSIONS = [
    b"HTTP/2.0", b"HTTP/3.0", b"HTTP/0.9", b"HTTP/2", b"HTTP/3", b"HTTP/9.9", b"HTTP/1.2", b"HTTP/1.9",
    b"HTTP/0.0",
]  # fmt: skip
BAD_VERSIONS = [
    b"HTTP/1.1x", b"http/1.1", b"Http/1.1", b"HTTP /1.1", b"HTTP/ 1.1", b"HTTP/1,1", b"HTTP/+1.1",
    b"HTTP/-1.1", b"HTTP/1.", b"HTTP/.1", b"HTTP/", b"HTTP", b"HTTPS/1.1", b"FTP/1.1", b"HTCPCP/1.0",
    b"1.1", b"HTTP-1.1", b"HTTP/1.1 ", b"HTTP/1.1\t", b"HTTP/1.1 HTTP/1.1", b"HTTP/1.1\x00",
    b"HTTP/\xd9\xa1.1", b"HTTP/1_1", b"HTTP/0x1.1", b"XHTTP/1.1", b"HTTP/1.1\x0b",
]  # fmt: skip
BAD_LINES = [
    b"GET  /open/x HTTP/1.1", b"GET /open/x  HTTP/1.1", b"GET\t/open/x HTTP/1.1", b"GET /open/x\tHTTP/1.1",
    b" GET /open/x HTTP/1.1", b"\tGET /open/x HTTP/1.1", b"GET\x0b/open/x HTTP/1.1",
    b"GET /open/x\x0cHTTP/1.1", b"GET /open/x", b"GET  HTTP/1.1", b"GET HTTP/1.1", b"GET",
    b"/open/x HTTP/1.1", b"GET /open/x y HTTP/1.1", b"GET /open/x\x00 HTTP/1.1",
    b"G\x00ET /open/x HTTP/1.1", b"\x00GET /open/x HTTP/1.1", b"GET /open\r/x HTTP/1.1",
    b"\rGET /open/x HTTP/1.1", b"GET /open/x HTTP/1.1\r", b"G(T /open/x HTTP/1.1", b"GET, /open/x HTTP/1.1",
    b"G/T /open/x HTTP/1.1", b"G:T /open/x HTTP/1.1", b"\xefGET /open/x HTTP/1.1",
    b"\xef\xbb\xbfGET /open/x HTTP/1.1", b"GET /open/\x01 HTTP/1.1", b"GET /open/\x7f HTTP/1.1",
    b"GET\r /open/x HTTP/1.1", b"{\"a\":1}", b"Host: gateway.test",
]  # fmt: skip
UNKNOWN_METHODS = [
    b"TRACE",
    b"PROPFIND",
    b"MKCOL",
    b"LOCK",
    b"get",
    b"Get",
    b"GETX",
    b"QUERY",
    b"SEARCH",
    b"PURGE",
    b"M-SEARCH",
    b"A!#$%&'*+.^_`|~Z",
    b"X" * 200,
]
OTHER_PROTOCOLS = {
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a request of HTTP/0.9": (b"GET /open/x\r\n\r\n", 400),
    "an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)) + b"\r\n\r\n", 400),
    "an SSH banner": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "SMTP": (b"EHLO client.test\r\n\r\n", 400),
    "a PROXY header": (b"PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n" + get(), 400),
    "a binary PROXY header": (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + get(), 400),
    "Redis": (b"*1\r\n$4\r\nPING\r\n\r\n", 400),
    "NUL bytes": (b"\x00" * 64 + b"\r\n\r\n", 400),
}


def _ends() -> list[Case]:
    lines = [b"GET /open/x HTTP/1.1", b"Host: gateway.test"]
    return [
        refused("9112-2.2 LF alone ends every line", b"\n".join(lines) + b"\n\n" + SMUGGLED),
        refused("9112-2.2 LF alone ends the request line", lines[0] + b"\n" + HOST + b"\r\n" + SMUGGLED),
        refused("9112-2.2 LF alone ends a field", GET + lines[1] + b"\nX: y\r\n\r\n" + SMUGGLED),
        refused("9112-2.2 LF alone ends the head", GET + HOST + b"\n" + SMUGGLED),
        refused("9112-2.2 CR alone ends a field", GET + lines[1] + b"\rX: y\r\n\r\n" + SMUGGLED),
        refused("9112-2.2 CR CR LF ends a line", GET + lines[1] + b"\r\r\n\r\n" + SMUGGLED),
        taken("9112-2.2 one empty line before the request", b"\r\n" + get()),
        taken("9112-2.2 two empty lines before the request", b"\r\n\r\n" + get()),
        refused("9112-2.2 LF before the request", b"\n" + get()),
        refused("9112-2.2 CRLF and LF before the request", b"\r\n\n" + get()),
        refused("9112-2.2 a space before the first field", GET + b" " + HOST + b"\r\n" + SMUGGLED),
        refused("9112-2.2 a blank line before the first field", GET + b" \r\n" + HOST + b"\r\n" + SMUGGLED),
        taken("9112-9.3 an empty line between requests", get() + b"\r\n" + get(), Request(), Request()),
    ]


def _versions() -> list[Case]:
    return [
        *(
            refused(f"9110-2.5 version {shown(one)}", get(version=one), 505, "http_version")
            for one in OTHER_VERSIONS
        ),
        *(
            refused(f"9112-2.3 version {shown(one)}", get(version=one), code="request_line")
            for one in BAD_VERSIONS
        ),
        refused("9112-2.3 version HTTP/1.10", get(version=b"HTTP/1.10"), 505, "http_version"),
        refused("9112-2.3 version HTTP/11.1", get(version=b"HTTP/11.1"), 505, "http_version"),
        taken("9112-2.3 HTTP/1.0", get(version=b"HTTP/1.0"), keeps=False),
        taken("9112-3.2 HTTP/1.0 without Host", b"GET /open/x HTTP/1.0\r\n\r\n", keeps=False),
    ]


def _methods() -> list[Case]:
    unknown = [
        refused(f"9110-9.1 method {shown(one)}", get(method=one), 405, "method_not_allowed", keeps=True)
        for one in UNKNOWN_METHODS
    ]
    known = [
        taken(f"9110-9.3 {one}", get(method=one.encode()), Request(one))
        for one in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    ]
    return unknown + known


CASES = [
    *_ends(),
    *_versions(),
    *(
        refused(f"9112-3 line {shown(line)}", line + b"\r\n" + HOST + b"\r\n" + SMUGGLED, code="request_line")
        for line in BAD_LINES
    ),
    *_methods(),
    *(refused(f"9112-2.1 {name}", raw, status) for name, (raw, status) in OTHER_PROTOCOLS.items()),
]
