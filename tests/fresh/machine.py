"""The settings of this machine by which a bare system reaches the same package servers.

This module names no server. It reads mirrors, proxies, indexes and certificates from the
machine's configuration each time and writes them into the system.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATES = Path("usr/local/share/ca-certificates")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# pip's settings outside of the files that we write. Folders of this machine do not exist in the system.
PIP_KEPT = {"index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries"}


def mirror() -> str | None:
    """Return this machine's archive of Debian, or None on another system or without one."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    if release.get("ID") != "debian":
        return None
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.*"))]
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.exists():
            continue
        for address, suites in _sources(file.read_text()):
            if release.get("VERSION_CODENAME") in suites:
                return address
    return None


def _sources(text: str) -> list[tuple[str, list[str]]]:
    """Return the address and the suites of each source, in both of apt's notations."""
    found = [
        (line[1], [line[2]])
        for line in (re.sub(r"\[[^]]*\]", "", line).split() for line in text.splitlines())
        if len(line) > 2 and line[0] == "deb"
    ]
    for block in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(URIs|Suites):[ \t]*(.*)$", block, re.MULTILINE))
        if len(fields) == 2:
            found += [(address, fields["Suites"].split()) for address in fields["URIs"].split()]
    return found


def apt_settings() -> str:
    """Return this machine's apt settings for downloads: proxies, time-outs, checks."""
    said = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False)
    return "".join(
        f"{line}\n"
        for line in said.stdout.splitlines()
        if not line.startswith(("Acquire::IndexTargets", "Acquire::Gzip", "Acquire::Languages"))
    )


def pip_settings() -> str:
    """Return this machine's pip settings as the text of a pip.conf."""
    listed = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(listed, capture_output=True, text=True, check=False)
    settings: dict[str, str] = {}
    for name, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", said.stdout, re.MULTILINE):
        addresses = [part for part in value.split() if not part.startswith(("file:", "/"))]
        if name in PIP_KEPT and addresses:
            settings[name.removeprefix("default-")] = " ".join(addresses)
    if list(Path("/", CERTIFICATES).glob("*.crt")):
        settings["cert"] = BUNDLE
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def settle_into(system: Path) -> None:
    """Write all settings into the system with the root folder ``system``."""
    for name in ("resolv.conf", "hosts"):
        if Path("/etc", name).exists():
            shutil.copyfile(Path("/etc", name), system / "etc" / name)
    (system / "etc" / "apt" / "apt.conf.d" / "50machine").write_text(apt_settings())
    (system / "etc" / "pip.conf").write_text(pip_settings())
    for certificate in Path("/", CERTIFICATES).glob("*.crt"):
        (system / CERTIFICATES).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(certificate, system / CERTIFICATES / certificate.name)


def proxies() -> dict[str, str]:
    """Return the environment variables with this machine's proxies."""
    return {name: os.environ[name] for name in PROXIES if name in os.environ}
