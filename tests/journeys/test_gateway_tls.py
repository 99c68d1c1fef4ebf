"""A gateway with a certificate, as its users start it."""

import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from atoll import conf
from atoll.dev import ports
from atoll.testing.running import Platform, eventually
from gateway.tests.certificates import write_certificate

HOST = "localhost"


@pytest.mark.on("embedded")
def test_a_new_certificate_is_served_at_once_on_sighup(platform: Platform, tmp_path: Path):
    certificate = tmp_path / "gateway.pem"
    write_certificate(certificate, HOST)
    port = ports.free()
    serving = subprocess.Popen(
        [sys.executable, "manage.py", "gateway", "serve", "--port", str(port)],
        cwd=conf.root(),
        env=platform.environment | {"GATEWAY_TLS_CERTIFICATE": str(certificate)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        first = eventually(lambda: served(port), what="the gateway speaks TLS")
        assert first == ssl.PEM_cert_to_DER_cert(own_part(certificate))
        replace_unnoticed(certificate)
        serving.send_signal(signal.SIGHUP)
        second = ssl.PEM_cert_to_DER_cert(own_part(certificate))
        eventually(lambda: served(port) == second, what="the new certificate is served")
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=30) == 0
    finally:
        serving.kill()
        serving.wait()


def served(port: int) -> bytes | None:
    try:
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=5))
    except (OSError, ValueError):
        return None


def own_part(certificate: Path) -> str:
    text = certificate.read_text()
    return text[: text.index("-----BEGIN PRIVATE")]


def replace_unnoticed(certificate: Path) -> None:
    """Write a new certificate that looks like the same file, so that only a signal tells of it."""
    before, new = certificate.stat(), certificate.with_suffix(".other")
    while not new.exists() or new.stat().st_size != before.st_size:
        write_certificate(new, HOST)
    certificate.write_bytes(new.read_bytes())
    os.utime(certificate, ns=(before.st_atime_ns, before.st_mtime_ns))
