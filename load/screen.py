"""The progress of a run: a live table on a terminal, else a line every few seconds."""

from typing import Protocol

from atoll.dev.terminal import escaped
from load.figures import Durations, Slice
from load.run import SHARES, Run

try:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ModuleNotFoundError:
    RICH = False
else:
    RICH = True

LINE_EVERY_S = 5.0
RECENT_S = 10.0


class Screen(Protocol):
    def draw(self, run: Run) -> None: ...

    def says(self, text: str) -> None: ...

    def ends(self, run: Run) -> None: ...


class PlainScreen:
    def __init__(self) -> None:
        self._next_s = LINE_EVERY_S

    def draw(self, run: Run) -> None:
        if run.loop.elapsed_s < self._next_s:
            return
        self._next_s += LINE_EVERY_S
        total, recent = run.figures.total(), run.figures.last(RECENT_S)
        print(
            f"{run.loop.elapsed_s:6.0f} s  sent {total.accepted + total.failed}  failed {total.failed}  "
            f"open {run.outcomes.open_orders}  POST {_words(recent.answers)}  final {_words(recent.finals)}",
            flush=True,
        )

    def says(self, text: str) -> None:
        print(text, flush=True)

    def ends(self, run: Run) -> None:
        for columns in rows(run, run.figures.total()):
            print(
                "  ".join(
                    cell.ljust(width) for cell, width in zip(columns, (34, 9, 9, 9), strict=False)
                ).rstrip()
            )


class LiveScreen:
    """A table that changes in place."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._live: Live | None = None

    def draw(self, run: Run) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        title = (
            f"{run.loop.elapsed_s:.0f} of {run.plan.seconds:.0f} s, durations of the last {RECENT_S:.0f} s"
        )
        self._live.update(_table(run, run.figures.last(RECENT_S), title), refresh=True)

    def says(self, text: str) -> None:
        self._close()
        self._console.print(text, markup=False, highlight=False)

    def ends(self, run: Run) -> None:
        self._close()
        self._console.print(_table(run, run.figures.total(), f"After {run.loop.elapsed_s:.0f} s"))

    def _close(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None


def for_terminal() -> Screen:
    if RICH and (console := Console()).is_terminal:
        return LiveScreen(console)
    return PlainScreen()


def rows(run: Run, timed: Slice) -> list[tuple[str, ...]]:
    """The table: counts of the whole run, durations of ``timed``."""
    found = run.results()
    table: list[tuple[str, ...]] = [
        ("", *SHARES),
        ("POST, from the time it was due", *_cells(timed.answers)),
        ("accepted to final", *_cells(timed.finals)),
        ("sent", str(found["sent"])),
        ("accepted", str(found["accepted"])),
        *((f"  {status}", str(count)) for status, count in found["final"].items()),
        ("not final", str(found["not_final"])),
        ("failed", str(found["failed"])),
        *((f"  {kind}", str(count)) for kind, count in found["errors"].items()),
    ]
    if run.outcome:
        table += [
            (name, "unknown" if found[name] is None else str(found[name])) for name in ("lost", "doubled")
        ]
    return table


def _table(run: Run, timed: Slice, title: str) -> "Table":
    head, *body = rows(run, timed)
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for number, column in enumerate(head):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for columns in body:
        table.add_row(*(Text(escaped(cell)) for cell in columns))
    return table


def _cells(durations: Durations) -> list[str]:
    return [milliseconds(durations.percentile_ms(share)) for share in SHARES.values()]


def _words(durations: Durations) -> str:
    return ", ".join(f"{name} {cell}" for name, cell in zip(SHARES, _cells(durations), strict=True))


def milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
