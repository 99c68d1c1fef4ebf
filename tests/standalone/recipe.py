"""A document whose fenced blocks are commands, files and expected output, in the order of reading.

| block | meaning |
| --- | --- |
| ``python``, first line ``# shop/settings.py`` | the whole file; with ``: at its end`` it adds to the file |
| ``sh`` | commands; a first line ``# in a second terminal`` leaves them running |
| ``text`` | what the commands before it show, at once or in a moment |
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./]+\.py)(: at its end)?\n")
TERMINAL = re.compile(r"# in a \w+ terminal\n")


@dataclass(frozen=True)
class File:
    place: str
    text: str
    is_added: bool


@dataclass(frozen=True)
class Commands:
    """``line`` is where the document has them. ``shown`` is their expected output."""

    line: int
    text: str
    stays: bool = False
    shown: str | None = None


Step = File | Commands


def steps(document: Path) -> list[Step]:
    """Raises ValueError for a block that is none of these."""
    found: list[Step] = []
    for line, language, text in _blocks(document.read_text()):
        if language == "python" and (named := FILE.match(text)):
            found.append(File(named[1], text, is_added=bool(named[2])))
        elif language == "sh":
            found.append(Commands(line, text, stays=bool(TERMINAL.match(text))))
        elif language == "text" and found and isinstance(last := found[-1], Commands) and not last.stays:
            found[-1] = Commands(last.line, last.text, shown=text.strip())
        else:
            raise ValueError(f"{document}:{line}: a block of {language or 'no language'} that no step can be")
    return found


def _blocks(text: str) -> Iterator[tuple[int, str, str]]:
    for fence in FENCE.finditer(text):
        yield text.count("\n", 0, fence.start()) + 1, fence[1], fence[2]
