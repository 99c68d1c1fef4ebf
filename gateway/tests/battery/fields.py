"""Field lines: names, values, folding, sizes, fields for one hop (RFC 9112 §5, RFC 9110 §5 and §7)."""

from gateway.tests.battery.case import SMUGGLED, Case, Request, get, post, refused, shown, taken

NAMES_REFUSED = [
    b"X-A ", b"X-A\t", b" X-A", b"\tX-A", b"", b" ", b"X A", b"X\x00A", b"X\x01A", b"X\x0bA", b"X\x7fA",
    b"X(A", b"X)A", b"X<A", b"X>A", b"X@A", b"X,A", b"X;A", b"X\\A", b'X"A', b"X/A", b"X[A", b"X]A", b"X?A",
    b"X=A", b"X{A", b"X}A", b"X\xe9A", b"\xc3\xa9", b"X\x85",
]  # fmt: skip
NAMES_DROPPED = [
    b"X_A", b"X.A", b"X!A", b"X#A", b"X$A", b"X%A", b"X&A", b"X'A", b"X*A", b"X+A", b"X^A", b"X`A", b"X|A",
    b"X~A", b"_", b".",
]  # fmt: skip
CONTROLS = [byte for byte in range(0x20) if byte not in (0x09, 0x0A, 0x0D)] + [0x7F]
VALUES = [
    b"a",
    b"",
    b" ",
    b"a b",
    b"a\tb",
    b"  a  ",
    b"\ta\t",
    b"a:b",
    b": a",
    b'"a;b"',
    b"\xe9",
    b"caf\xc3\xa9",
    b"\x80\xff",
    b"a,b",
    b"a" * 8000,
]
HOSTS = [
    b"gateway.test", b"gateway.test:8000", b"127.0.0.1", b"[::1]:8000", b"localhost", b"GATEWAY.TEST",
    b"a_b.test", b"xn--caf-dma.test", b"gateway.test.",
]  # fmt: skip
BAD_HOSTS = [
    b"",
    b" ",
    b"a b",
    b"a/b",
    b"a@b",
    b"user:pw@b",
    b"a,b",
    b"a, b",
    b"a?b",
    b"a#b",
    b"a\\b",
    b"http://a",
    b"a;b",
    b"<a>",
    b'"a"',
    b"\xe9",
    b"a" * 300,
    b"a{b}",
    b"a|b",
    b"a'b",
]
FOLDS = [
    b"X-A: 1\r\n 2",
    b"X-A: 1\r\n\t2",
    b"X-A:\r\n 1",
    b"X-A: 1\r\n  Y: 2",
    b"X-A: 1\r\n \r\n 2",
    b"X-A: 1\r\n\t",
]
OURS = [
    b"X-User-ID: 1", b"x-user-roles: [\"admin\"]", b"X-USER-ANYTHING: 1", b"X-Atoll-Internal: 1",
    b"X-Service-Name: users", b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-Host: evil.test",
    b"X-Forwarded-Proto: https", b"X-Forwarded-Prefix: /x", b"X-Forwarded-Port: 1",
    b"Forwarded: for=1.2.3.4", b"X-Real-IP: 1.2.3.4", b"X-Original-URL: /admin", b"X-Rewrite-URL: /admin",
    b"X-HTTP-Method-Override: DELETE", b"Script-Name: /x", b"X-Deadline-Ms: 9999999", b"Remote-User: admin",
    b"True-Client-IP: 1.2.3.4", b"Via: 1.0 evil",
]  # fmt: skip
ONE_HOP = [
    b"TE: trailers", b"Trailer: X-A", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive",
    b"Proxy-Authorization: x", b"Proxy-Authenticate: x", b"HTTP2-Settings: AAMAAABk",
]  # fmt: skip


def _names() -> list[Case]:
    bad = [
        refused(
            f"9110-5.1 name {shown(name)}",
            get(b"Accept: */*", name + b": 1") + SMUGGLED,
            code="header_fields",
        )
        for name in NAMES_REFUSED
    ]
    dropped = [
        taken(
            f"9110-5.1 name {shown(name)} reaches nobody",
            get(name + b": 1"),
            Request(without=(name.decode().lower(),)),
        )
        for name in NAMES_DROPPED
    ]
    return [
        *bad,
        *dropped,
        refused("9112-5 a line without a colon", get(b"Accept") + SMUGGLED, code="header_fields"),
    ]


def _values() -> list[Case]:
    bad = [
        refused(f"9110-5.5 {byte:#04x} in a value", get(b"X-A: a%cb" % byte) + SMUGGLED, code="header_fields")
        for byte in [*CONTROLS, 0x0A, 0x0D]
    ]
    good = [
        taken(
            f"9110-5.5 value {shown(value)}",
            get(b"X-A:" + value),
            Request(fields=(("x-a", value.strip(b" \t").decode("latin-1")),)),
        )
        for value in VALUES
    ]
    return bad + good


def _folds() -> list[Case]:
    return [refused(f"9112-5.2 {shown(fold)}", get(fold) + SMUGGLED, code="header_fields") for fold in FOLDS]


def _raw(*lines: bytes, target: bytes = b"/open/x") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def _hosts() -> list[Case]:
    good = [taken(f"9110-7.2 Host {shown(host)}", _raw(b"Host: " + host)) for host in HOSTS]
    bad = [
        refused(f"9112-3.2 Host {shown(host)}", _raw(b"Host: " + host), code="invalid_host", keeps=True)
        for host in BAD_HOSTS
    ]
    lines = {
        "no Host": (b"Accept: */*",),
        "two equal Hosts": (b"Host: gateway.test", b"Host: gateway.test"),
        "two Hosts": (b"Host: gateway.test", b"host: evil.test"),
        "an empty Host and another": (b"Host:", b"Host: gateway.test"),
    }
    counts = [
        refused(f"9112-3.2 {name}", _raw(*given), code="invalid_host", keeps=True)
        for name, given in lines.items()
    ]
    return good + bad + counts


def _sizes() -> list[Case]:
    many = [b"X-%d: 1" % number for number in range(120)]
    return [
        taken("9110-5.4 90 fields", get(*many[:90]), Request(fields=(("x-89", "1"),))),
        refused("9110-5.4 121 fields", get(*many), 431, "header_fields_too_large"),
        refused("9110-5.4 5,000 fields", get(*(b"X: 1",) * 5000), 431, "header_fields_too_large"),
        refused("9110-5.4 a value of 40 kB", get(b"X-A: " + b"a" * 40_000), 431, "header_fields_too_large"),
        refused("9110-5.4 a name of 40 kB", get(b"A" * 40_000 + b": 1"), 431, "header_fields_too_large"),
        refused(
            "9110-5.4 a head without end",
            get()[:-2] + b"X-A: " + b"a" * 70_000,
            431,
            "header_fields_too_large",
        ),
        refused(
            "9110-5.4 fields without end",
            get()[:-2] + b"X-A: aaaaaaaaaaaa\r\n" * 5000,
            431,
            "header_fields_too_large",
        ),
    ]


def _named_by_connection() -> list[Case]:
    body = post(b"Connection: content-length", b"Content-Length: 5", body=b"hello")
    raw = b"5\r\nhello\r\n0\r\n\r\n"
    chunks = post(b"Connection: transfer-encoding", b"Transfer-Encoding: chunked", body=raw)
    hello = Request("POST", body=b"hello")
    return [
        taken(
            "9110-7.6.1 a field that Connection names",
            get(b"Connection: X-A", b"X-A: 1"),
            Request(without=("x-a",)),
        ),
        taken(
            "9110-7.6.1 among others",
            get(b"Connection: keep-alive, x-a , x-b", b"X-A: 1", b"X-B: 1", b"X-C: 1"),
            Request(fields=(("x-c", "1"),), without=("x-a", "x-b")),
        ),
        taken("9110-7.6.1 before it", get(b"X-A: 1", b"Connection: X-A"), Request(without=("x-a",))),
        taken(
            "9110-7.6.1 in a second Connection",
            get(b"Connection: keep-alive", b"Connection: X-A", b"X-A: 1"),
            Request(without=("x-a",)),
        ),
        taken("9110-7.6.1 it cannot remove the length", body, hello),
        taken("9110-7.6.1 it cannot remove the coding", chunks, hello),
        taken("9110-7.6.1 it cannot remove Host", get(b"Connection: Host"), Request()),
        taken(
            "9110-7.6.1 it cannot remove our fields",
            get(b"Connection: X-Correlation-ID, X-Forwarded-For, X-Service-Name"),
            Request(fields=(("x-forwarded-for", "127.0.0.1"), ("x-service-name", "api-gateway"))),
        ),
        taken("9110-7.6.1 an empty list", get(b"Connection: ,,"), Request()),
    ]


def _dropped() -> list[Case]:
    cases = [
        taken(
            f"9110-7.6.1 {line.decode()} stays here",
            get(line),
            Request(without=(line.split(b":")[0].decode().lower(),)),
        )
        for line in ONE_HOP
    ]
    for line in OURS:
        name, _, value = line.decode().partition(": ")
        cases.append(
            taken(f"gateway {name} of a client", get(line), Request(without=(f"{name.lower()}: {value}",)))
        )
    return cases


CASES = [*_names(), *_values(), *_folds(), *_hosts(), *_sizes(), *_named_by_connection(), *_dropped()]
