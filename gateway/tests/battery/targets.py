"""Request targets: their four forms, canonical paths, queries, lengths (RFC 9112 §3.2, RFC 3986)."""

from gateway.tests.battery.case import HOST, SMUGGLED, Case, Request, get, refused, shown, taken

BAD_PATHS = [
    b"/open/%2e%2e/mine/x", b"/open/../mine/x", b"/open/./x", b"/open/.", b"/open/..", b"/open/%2E",
    b"/open/a%2fb", b"/open/a%2Fb", b"/open/a%5cb", b"/open/a\\b", b"/open\\x", b"/open//x", b"//open/x",
    b"/open/x//", b"/open/%00", b"/open/%0d%0aX-User-ID:%201", b"/open/%0a", b"/open/%7f", b"/open/a;b=c",
    b"/open;x/y", b"/open/a%3bb", b"/open/%252e%252e/x", b"/open/%25", b"/open/%61dmin", b"/%6fpen/x",
    b"/open/%zz", b"/open/%2", b"/open/%", b"/open/%ff", b"/open/%c3%28", b"/open/%c0%ae",
    b"/open/%ed%a0%80", b"/open/a|b", b"/open/{x}", b"/open/[x]", b"/open/<x>", b"/open/\"x\"",
    b"/open/x^y", b"/open/`x`", b"/open/x#y", b"/open/#", b"/open/caf\xc3\xa9", b"/open/\xff",
    b"/open/%u002e", b"/open/..;/mine", b"/open/%2e./x", b"/open/.%2e/x", b"*", b"**",
]  # fmt: skip
PATHS = [
    b"/open", b"/open/", b"/open/a", b"/open/a/b/c/", b"/open/caf%C3%A9", b"/open/a%20b", b"/open/a@b,c:d=e",
    b"/open/.well-known/x", b"/open/...", b"/open/a..b", b"/open/%F0%9F%9A%80",
    b"/open/~user", b"/open/a+b", b"/open/-",
    b"/open/!$&'()*", b"/open/%E2%82%AC", b"/open/x.", b"/open/%5Bx%5D", b"/open/" + b"a" * 4000,
]  # fmt: skip
QUERIES = [
    b"?a=b",
    b"?a=b&a=c",
    b"?a=%2e%2e%2f",
    b"?q=%00",
    b"?//..//",
    b"?a?b?",
    b"?a=;",
    b"?{x}",
    b"?a=[1]",
    b"?%zz",
    b"?a|b",
    b"?a=\\",
    b"?next=http://evil.test/",
    b"?" + b"q" * 4000,
]
BAD_QUERIES = [b'?a="b"', b"?a=\xff", b"?caf\xc3\xa9", b"?x\x80"]
ABSOLUTE = [b"http://gateway.test", b"https://gateway.test", b"HTTP://gateway.test", b"http://GATEWAY.test"]
OTHER_HOSTS = [
    b"http://evil.test", b"http://gateway.test:8000", b"http://[::1]:80", b"http://127.0.0.1",
    b"http://gateway.test.",
]  # fmt: skip
BAD_TARGETS = [
    b"http://user@gateway.test/open/x", b"http://user:pw@gateway.test/open/x", b"ftp://gateway.test/open/x",
    b"file:///open/x", b"http:/open/x", b"http:///open/x", b"://gateway.test/open/x", b"http:open/x",
    b"open/x", b"gateway.test/open/x", b"gateway.test:80", b"?a=b", b"#", b"javascript:alert(1)",
    b"http://gateway.test#/open/x", b"http://gateway.test\\/open/x", b"http://gateway.test//open/x",
    b"http://gateway.test/open/../mine/x", b"http://a b/open/x",
]  # fmt: skip
SERVICE_METHODS = (b"CONNECT gateway.test:443", b"CONNECT /open/x", b"CONNECT *")


def _paths() -> list[Case]:
    bad = [
        refused(f"3986-6 path {shown(path)}", get(target=path), code="invalid_path", keeps=True)
        for path in BAD_PATHS
    ]
    good = [
        taken(f"3986-3.3 path {shown(path)}", get(target=path), Request(target=path.decode()))
        for path in PATHS
    ]
    return bad + good


def _queries() -> list[Case]:
    good = [
        taken(
            f"3986-3.4 query {shown(query)}",
            get(target=b"/open/x" + query),
            Request(target=f"/open/x{query.decode()}"),
        )
        for query in QUERIES
    ]
    bad = [
        refused(
            f"3986-3.4 query {shown(query)}", get(target=b"/open/x" + query), code="invalid_query", keeps=True
        )
        for query in BAD_QUERIES
    ]
    return good + bad


def _forms() -> list[Case]:
    good = [
        taken(
            f"9112-3.2.2 {shown(origin)} with the same Host",
            get(target=origin + b"/open/x?a=b"),
            Request(target="/open/x?a=b"),
        )
        for origin in ABSOLUTE
    ]
    others = [
        taken(
            f"9112-3.2.2 {shown(origin)} with another Host",
            get(target=origin + b"/open/x"),
            Request(fields=(("x-forwarded-host", origin.decode().removeprefix("http://")),)),
        )
        for origin in OTHER_HOSTS
    ]
    bad = [
        refused(f"9112-3.2 target {shown(one)}", b"GET " + one + b" HTTP/1.1\r\n" + HOST + b"\r\n" + SMUGGLED)
        for one in BAD_TARGETS
        if b" " in one
    ]
    kept = [
        refused(f"9112-3.2 target {shown(one)}", get(target=one), code="invalid_path", keeps=True)
        for one in BAD_TARGETS
        if b" " not in one
    ]
    return [
        *good,
        *others,
        *bad,
        *kept,
        refused(
            "9112-3.2.2 an absolute target without a path",
            get(target=b"http://gateway.test"),
            404,
            "route_not_found",
            keeps=True,
        ),
        refused(
            "9112-3.2.2 an absolute target and a query alone",
            get(target=b"http://gateway.test?a=b"),
            404,
            "route_not_found",
            keeps=True,
        ),
        refused(
            "9112-3.2.2 an absolute target of a route that asks for a token",
            get(target=b"http://gateway.test/mine/x"),
            401,
            keeps=True,
        ),
        refused("9112-3.2.4 OPTIONS *", get(target=b"*", method=b"OPTIONS"), code="invalid_path", keeps=True),
        refused("9112-3.2.4 GET *", get(target=b"*", method=b"GET"), code="invalid_path", keeps=True),
    ]


def _long() -> list[Case]:
    return [
        refused(
            "9112-3 a path of 8,193 bytes",
            get(target=b"/open/" + b"a" * 8187),
            414,
            "uri_too_long",
            keeps=True,
        ),
        refused(
            "9112-3 a query of 8,193 bytes",
            get(target=b"/open/x?" + b"a" * 8186),
            414,
            "uri_too_long",
            keeps=True,
        ),
        taken(
            "9112-3 a path of 8,000 bytes",
            get(target=b"/open/" + b"a" * 7994),
            Request(target="/open/" + "a" * 7994),
        ),
        refused("9112-3 a line without end", b"GET /open/" + b"a" * 20_000, 414, "uri_too_long"),
        refused(
            "9112-3 a target of 20,000 bytes", get(target=b"/open/" + b"a" * 20_000), 414, "uri_too_long"
        ),
        refused(
            "9112-3 a target of 100,000 bytes", get(target=b"/open/" + b"a" * 100_000), 414, "uri_too_long"
        ),
    ]


def _connect() -> list[Case]:
    return [
        refused(f"9110-9.3.6 {one.decode()}", one + b" HTTP/1.1\r\n" + HOST + b"\r\n", status, keeps=True)
        for one, status in zip(SERVICE_METHODS, (400, 405, 400), strict=True)
    ]


CASES = [*_paths(), *_queries(), *_forms(), *_long(), *_connect()]
