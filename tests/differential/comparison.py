"""Plays the cases of the battery at our gateway, nginx and HAProxy, and writes the differences as a table."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.tests.battery.case import Case
from gateway.tests.battery.test_battery import CASES
from gateway.tests.harness import Gateway, row, table
from tests.differential import proxies
from tests.differential.echo import Echo
from tests.differential.outcome import Outcome, outcome
from tests.differential.reasons import Reason, reason, reasons

# Routes, tokens and limits on bodies are policies of ours, which a bare proxy does not have.
POLICIES = (401, 404, 413)
OTHER_ROUTES = (b"/mine", b"/small", b"/nowhere")
HEAD = """# How the gateway differs from nginx and HAProxy

`make differential` sends {count} requests of `gateway.tests.battery` byte for byte through our gateway,
{nginx} and {haproxy} (each as a bare proxy with its defaults) to one service that takes everything. It
writes this page, and fails when a difference has no reason in tests/differential/reasons.toml. {same} of the
requests have the same outcome everywhere. *forwards 2*: the service got the request and the one hidden in it
or behind it. A number is the status of a refusal.

In no case does our gateway forward what nginx and HAProxy both refuse.

No conformance suite for HTTP/1.1 is a package of PyPI, npm or Debian (November 2026): REDbot and httplint
judge the answers of a site, Http11Probe needs .NET, and h1spec has no package. h1spec (of dropseed, commit
d8f6918) was run by hand, with a route at its path: 31 of 33 checks pass. The gateway refuses `OPTIONS *` and
CONNECT with 400, since its routes need a path and it makes no tunnels. h1spec ends its side of the connection
behind each request, which the gateway takes for a client that has gone; for this run h1spec kept it open.

| topic | ours | nginx | HAProxy | cases | why |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Compared:
    case: Case
    ours: Outcome
    nginx: Outcome
    haproxy: Outcome

    @property
    def is_equal(self) -> bool:
        ours = (self.ours.verdict(), self.ours.reached)
        return (
            ours
            == (self.nginx.verdict(), self.nginx.reached)
            == (self.haproxy.verdict(), self.haproxy.reached)
        )

    def verdicts(self) -> tuple[str, str, str]:
        return self.ours.verdict(), self._of_peer(self.nginx), self._of_peer(self.haproxy)

    def _of_peer(self, peer: Outcome) -> str:
        differs = peer.verdict() == self.ours.verdict() and peer.reached != self.ours.reached
        return peer.verdict() + (" otherwise" if differs else "")


def cases() -> list[Case]:
    return [
        case
        for case in CASES
        if not set(case.answers) & set(POLICIES) and not any(other in case.sent for other in OTHER_ROUTES)
    ]


@contextmanager
def three(home: Path) -> Iterator[tuple[Echo, tuple[int, int, int]]]:
    """The service, and the ports of our gateway, nginx and HAProxy in front of it."""
    with ExitStack() as stack:
        service = Echo()
        stack.callback(service.close)
        gateway = Gateway(home / "gateway", table(row("open", "/open")))
        stack.callback(gateway.close)
        gateway.knows("product-service", service)
        nginx = stack.enter_context(proxies.nginx(home, service.port))
        haproxy = stack.enter_context(proxies.haproxy(home, service.port))
        yield service, (gateway.port, nginx, haproxy)


def compare(home: Path) -> list[Compared]:
    with three(home) as (service, ports):
        return [Compared(case, *(outcome(port, service, case.sent) for port in ports)) for case in cases()]


def versions() -> tuple[str, str]:
    nginx = subprocess.run(
        [str(proxies.program("nginx")), "-v"], capture_output=True, text=True, check=True
    ).stderr
    haproxy = subprocess.run(
        [str(proxies.program("haproxy")), "-v"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"nginx/[\d.]+", nginx), re.search(r"version (\d+\.\d+\.\d+)", haproxy)
    assert found[0], nginx
    assert found[1], haproxy
    return found[0][0].replace("/", " "), f"HAProxy {found[1][1]}"


def page(compared: list[Compared]) -> str:
    """The document. Raises KeyError for a difference without a reason."""
    groups: dict[tuple[Reason, tuple[str, str, str]], int] = {}
    for one in compared:
        if one.is_equal:
            continue
        if (why := reason(one.case.name)) is None:
            raise KeyError(one.case.name)
        key = (why, one.verdicts())
        groups[key] = groups.get(key, 0) + 1
    rows = sorted(groups.items(), key=lambda item: (reasons().index(item[0][0]), -item[1], item[0][1]))
    nginx, haproxy = versions()
    same = sum(one.is_equal for one in compared)
    head = HEAD.format(count=len(compared), same=same, nginx=nginx, haproxy=haproxy)
    lines = [
        f"| {why.topic} | {ours} | {nginx} | {haproxy} | {count} | {why.why} |"
        for (why, (ours, nginx, haproxy)), count in rows
    ]
    return head + "\n".join(lines) + "\n"
