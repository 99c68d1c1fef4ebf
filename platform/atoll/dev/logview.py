"""Shows lines of logs on a terminal: a line for people, coloured."""

from rich.text import Text

from atoll.dev.loglines import Line, details
from atoll.dev.terminal import escaped

LEVEL_STYLES = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}
NAME_STYLES = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan", "bright_magenta", "bright_blue")


def pretty(line: Line) -> Text:
    """A line for people. A value of several lines (a traceback) follows it, indented."""
    style = NAME_STYLES[sum(line.name.encode()) % len(NAME_STYLES)]
    text = Text.assemble((escaped(line.time[11:23]), "dim"), " ", (f"{escaped(line.name):<16}", style), " ")
    if not line.fields:
        return text.append(escaped(line.text))
    level = str(line.fields.get("level", ""))
    text.append(f"{escaped(level):<8}", LEVEL_STYLES.get(level, ""))
    text.append(escaped(line.fields.get("event", "")))
    beside, below = details(line)
    for key, value in beside:
        text.append(f" {escaped(key)}=", "dim").append(escaped(value))
    if line.fields.get("correlation_id"):
        text.append(f" [{escaped(line.fields['correlation_id'])}]", "dim")
    for key, value in below:
        for part in (f"{key}:", *value.split("\n")):
            text.append("\n    | ", "dim").append(escaped(part))
    return text
