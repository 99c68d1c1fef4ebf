"""The output of ``up``: progress of the start, the addresses, and each process that ends."""

import time
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from atoll import conf
from atoll.dev import command
from atoll.dev.process import Kind, Member, State

PLAIN_WIDTH = 100
STYLES = {
    State.WAITING: ("dim", "·"),
    State.STARTING: ("yellow", "…"),
    State.READY: ("green", "✓"),
    State.DONE: ("green", "✓"),
    State.RESTARTING: ("red", "↻"),
    State.STOPPING: ("yellow", "…"),
    State.STOPPED: ("dim", "✓"),
}


class Screen(Protocol):
    def say(self, text: str, style: str = "") -> None: ...
    def changed(self, member: Member) -> None: ...
    def progress(self, members: list[Member], title: str) -> None: ...
    def progress_ends(self) -> None: ...
    def summary(self, members: list[Member], home: str, notes: list[str]) -> None: ...


class PlainScreen:
    """For files, pipes and CI: one line per fact."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = time.monotonic()
        self.is_stopping = False

    def say(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style or None, highlight=False, markup=False, soft_wrap=True)

    def changed(self, member: Member) -> None:
        if member.state == State.STOPPING and not self.is_stopping:
            # From here on the times count from the request to stop.
            self.is_stopping, self.began = True, time.monotonic()
        if member.state in (State.READY, State.DONE, State.STOPPED):
            is_page = member.spec.kind == Kind.WEB and member.state == State.READY
            address = f"  http://127.0.0.1:{member.spec.port}" if is_page else ""
            self.say(f"{time.monotonic() - self.began:6.1f} s  {member.state:8} {member.name}{address}")

    def progress(self, members: list[Member], title: str) -> None:
        pass

    def progress_ends(self) -> None:
        pass

    def summary(self, members: list[Member], home: str, notes: list[str]) -> None:
        self.progress_ends()
        for part in _summary(home, notes):
            # Breaks sentences between words, and addresses never.
            self.console.print(part, soft_wrap=isinstance(part, Table) or not self.console.is_terminal)


class LiveScreen(PlainScreen):
    """For a terminal: a table that changes in place during the start."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.live: Live | None = None

    def changed(self, member: Member) -> None:
        if self.live is None and member.state in (State.STOPPING, State.STOPPED):
            super().changed(member)
        elif self.live is None and member.state == State.READY and member.restarts:
            self.say(f"{member.name} is ready again after {member.ready_after_s or 0:.1f} s", "green")

    def progress(self, members: list[Member], title: str) -> None:
        picture = Group(
            Text(f"{title}  {time.monotonic() - self.began:.0f} s", style="bold"), _progress(members)
        )
        if self.live is None:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(picture, refresh=True)

    def progress_ends(self) -> None:
        if self.live:
            self.live.stop()
            self.live = None


def for_terminal() -> Screen:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    return LiveScreen(console) if console.is_terminal else PlainScreen(console)


def _progress(members: list[Member]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for member in members:
        style, sign = STYLES[member.state]
        took = "" if member.state == State.WAITING else f"{member.ready_after_s or member.age_s:.1f} s"
        if member.state in (State.DONE, State.STOPPED):
            took = ""
        port = str(member.spec.port) if member.spec.kind == Kind.WEB else ""
        table.add_row(
            Text(sign, style), Text(member.name), Text(member.state, style), Text(port, "dim"), took
        )
    return table


def _summary(home: str, notes: list[str]) -> list[Table | Text]:
    gateway = conf.gateway_url()
    addresses = Table(title=f"Atoll is up: {gateway}", title_justify="left", title_style="bold green")
    for column in ("project", "admin", "API description"):
        addresses.add_column(column, no_wrap=True)
    for project in sorted(conf.projects().values(), key=lambda project: project.port):
        base = f"http://127.0.0.1:{project.port}"
        addresses.add_row(project.name, f"{base}/admin/", f"{base}/docs")
    accounts = Table(title="Demo accounts (for the admins and the API)", title_justify="left")
    for column in ("who", "email", "password"):
        accounts.add_column(column)
    for who, email, password in DEMO_ACCOUNTS:
        accounts.add_row(who, email, password)
    lines = [
        "Try, in another terminal:",
        f"  curl '{gateway}/api/products?search=coffee'",
        f"  {command.manage('demo')}",
        f"  {command.manage('logs -f')}",
        "",
        *notes,
        f"Data and logs are in {home}. Ctrl-C stops everything and keeps the data.",
    ]
    return [addresses, accounts, Text("\n".join(lines))]


DEMO_ACCOUNTS = (
    ("administrator", "admin@atoll.example", "atoll-demo-admin"),
    ("support", "support@atoll.example", "atoll-demo-support"),
    ("catalogue", "catalogue@atoll.example", "atoll-demo-catalogue"),
    ("operator", "operator@atoll.example", "atoll-demo-operator"),
    ("customer", "ada@atoll.example", "atoll-demo-ada"),
)
