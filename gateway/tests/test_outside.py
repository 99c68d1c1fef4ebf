"""What the gateway fetches from an address that an operator typed, and what it refuses to touch."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from atoll.addresses import networks
from atoll.identity.foreign import outside
from atoll.identity.foreign.outside import NotFetched, Rules, fetch_json, is_allowed
from atoll.testing.identity_provider import DISCOVERY, IdentityProvider, private_keys
from gateway.edge.config import issuer_rules

LOOPBACK = Rules(networks("127.0.0.0/8"), allow_http=True)
NAME = "id.shop.test"


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of host names, by name."""
    names: dict[str, list[str]] = {}

    def look(host: str, port: int, **_: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror("not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]

    monkeypatch.setattr(outside, "getaddrinfo", look)
    return names


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::", "192.0.2.1", "198.18.0.1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str, found: dict[str, list[str]]) -> None:
    found[NAME] = ["93.184.215.14", address]

    with pytest.raises(NotFetched, match="is not public"):
        fetch_json(f"https://{NAME}/keys", Rules())


@pytest.mark.parametrize(("environment", "allows_http"), [("production", False), ("development", True)])
def test_the_deployment_alone_opens_its_own_networks(
    monkeypatch: pytest.MonkeyPatch, environment: str, allows_http: bool
) -> None:
    monkeypatch.setenv("ATOLL_ENV", environment)
    assert issuer_rules() == Rules((), allow_http=allows_http)

    monkeypatch.setenv("GATEWAY_ISSUER_NETWORKS", "10.20.0.0/16")
    assert is_allowed(ip_address("10.20.1.1"), issuer_rules())
    assert not is_allowed(ip_address("10.21.1.1"), issuer_rules())


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), Rules())


def test_the_connection_goes_to_the_address_that_was_checked(
    provider: IdentityProvider, found: dict[str, list[str]]
) -> None:
    """A name that means another address a moment later leads nowhere else."""
    port = provider.origin.rsplit(":", 1)[1]
    found[NAME] = ["127.0.0.1"]
    assert fetch_json(f"http://{NAME}:{port}{DISCOVERY}", LOOPBACK)["issuer"] == provider.issuer


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://id.test/keys", "must begin with https"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://id.test/", "must begin with https"),
        ("https:///keys", "is no address"),
        ("https://user:secret@id.test/", "is no address"),
        ("https://id.test/#part", "is no address"),
        ("https://nowhere.invalid/", "cannot be found"),
    ],
)
def test_an_address_of_another_form_is_refused(url: str, problem: str, found: dict[str, list[str]]) -> None:
    with pytest.raises(NotFetched, match=problem):
        fetch_json(url, Rules())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ((302, {"Location": "/other"}), "it answered 302"),
        ((500, {}), "it answered 500"),
        (b"<html>", "did not answer with JSON"),
        (b"[" * 100_000, "did not answer with JSON"),
        (b"x" * 300_000, "longer than 262144 bytes"),
    ],
)
def test_an_answer_that_is_no_document_is_refused(
    provider: IdentityProvider, document: Any, problem: str
) -> None:
    provider.documents["/document"] = document
    provider.documents["/other"] = {}

    with pytest.raises(NotFetched, match=problem):
        fetch_json(f"{provider.origin}/document", LOOPBACK)
    assert provider.asked == ["/document"]


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "TOTAL_TIMEOUT_S", 0.2)
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=_drip, args=(listener, stopped), daemon=True)
        dripping.start()
        began = time.monotonic()
        with pytest.raises(NotFetched, match=r"it took longer than 0\.2 s"):
            fetch_json(f"http://127.0.0.1:{listener.getsockname()[1]}/", LOOPBACK)
        assert time.monotonic() - began < 2
        stopped.set()
        dripping.join(5)


def _drip(listener: socket.socket, stopped: threading.Event) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not stopped.wait(0.02):
            try:
                connection.sendall(b" ")
            except OSError:
                return


def certificate(folder: Path, name: str) -> Path:
    """A certificate of its own for this name, with its key, in one file."""
    key = private_keys()["rsa"]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(encoding))
    return file


@pytest.mark.parametrize(
    ("certificate_of", "is_known", "problem"),
    [(NAME, True, None), (NAME, False, "certificate verify failed"), ("other.test", True, "match|mismatch")],
)
def test_the_certificate_must_be_good_and_for_the_host_name(
    tmp_path: Path,
    found: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    certificate_of: str,
    is_known: bool,
    problem: str | None,
) -> None:
    file = certificate(tmp_path, certificate_of)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if is_known:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    found[NAME] = ["127.0.0.1"]
    provider = IdentityProvider(context, NAME)
    try:
        rules = Rules(networks("127.0.0.0/8"))
        if problem is None:
            assert fetch_json(f"{provider.origin}{DISCOVERY}", rules)["issuer"] == provider.issuer
        else:
            with pytest.raises(NotFetched, match=problem):
                fetch_json(f"{provider.origin}{DISCOVERY}", rules)
    finally:
        provider.close()
