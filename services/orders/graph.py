"""The course of an order as a drawing, made from its tables; `manage.py orders course` prints it."""

from collections import defaultdict

from services.orders.compensation import UNDOING
from services.orders.course import COURSE, PLACED, Action, Status

BEGIN, END = "<!-- made by `manage.py orders course --write` -->", "<!-- end of what is made -->"


def shown() -> str:
    """Both drawings, as a document shows them."""
    return "\n\n".join(
        f"```mermaid\n{drawing}\n```" for drawing in (mermaid_of_order(), mermaid_of_undoing())
    )


def replaced_in(document: str) -> str:
    """The document with its drawings as they should be. Raises ValueError when it has no place for them."""
    before, marked, rest = document.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (marked and ended):
        raise ValueError(f"The document needs the lines {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{shown()}\n{END}{after}"


def mermaid_of_order() -> str:
    """The statuses, and by which events and with which messages an order moves between them."""
    events = defaultdict(list)
    for (status, event), move in COURSE.items():
        undone = [compensation.value for compensation in move.undo]
        sent = [*undone, *(action.value for action in move.send)]
        events[status, move.to, tuple(sent)].append(event.value)
    begin = ", ".join(action.value for action in PLACED.actions if action is not Action.START_DEADLINE)
    lines = [
        "stateDiagram-v2",
        f"    [*] --> {PLACED.state.status}: sends {begin}",
        *(
            f"    {status} --> {to}: {', '.join(named)}<br/>sends {', '.join(sent)}"
            for (status, to, sent), named in events.items()
        ),
        *(f"    {status} --> [*]" for status in (Status.CONFIRMED, Status.CANCELLED, Status.REFUNDED)),
    ]
    return "\n".join(lines)


def mermaid_of_undoing() -> str:
    """How far a compensation comes, and by what."""
    cues = defaultdict(list)
    for (before, cue), after in UNDOING.items():
        cues[before.value if before else "[*]", after.value].append(cue.value)
    lines = [
        "stateDiagram-v2",
        *(f"    {before} --> {after}: {', '.join(named)}" for (before, after), named in cues.items()),
    ]
    return "\n".join(lines)
