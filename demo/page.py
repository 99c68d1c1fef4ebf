"""The output of the demo: with rich if it is installed, else as plain aligned text."""

from collections.abc import Sequence
from typing import Protocol

try:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
except ModuleNotFoundError:
    RICH = False
else:
    RICH = True


class Page(Protocol):
    def heading(self, text: str) -> None: ...

    def line(self, text: str) -> None: ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None: ...

    def verdict(self, text: str, *, good: bool) -> None: ...


class RichPage:
    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def heading(self, text: str) -> None:
        self._console.print(f"\n[bold cyan]{escape(text)}[/]", soft_wrap=True)

    def line(self, text: str) -> None:
        self._console.print(f"  {escape(text)}", soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for column in columns:
            table.add_column(column)
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self._console.print(table)

    def verdict(self, text: str, *, good: bool) -> None:
        colour = "green" if good else "red"
        self._console.print(f"\n[bold {colour}]{escape(text)}[/]", soft_wrap=True)


class PlainPage:
    def heading(self, text: str) -> None:
        print(f"\n{text}")

    def line(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = [columns, *rows]
        widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
        for row in table:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def verdict(self, text: str, *, good: bool) -> None:
        print(f"\n{text}")


def open_page() -> Page:
    return RichPage() if RICH else PlainPage()
