"""The state machines of orders as Mermaid diagrams; `manage.py orders state_machine` prints them."""

from collections import defaultdict

from services.orders.compensation import COMPENSATION_TRANSITIONS
from services.orders.state_machine import PLACED, TABLE, Effect, Status

BEGIN, END = "<!-- made by `manage.py orders state_machine --write` -->", "<!-- end of the diagrams -->"


def diagrams() -> str:
    """Both diagrams as Markdown."""
    return "\n\n".join(
        f"```mermaid\n{diagram}\n```" for diagram in (mermaid_of_order(), mermaid_of_compensation())
    )


def replaced_in(document: str) -> str:
    """The document with new diagrams between BEGIN and END. Raises ValueError without these two lines."""
    before, marked, rest = document.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (marked and ended):
        raise ValueError(f"The document needs the lines {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{diagrams()}\n{END}{after}"


def mermaid_of_order() -> str:
    """The statuses; each arrow has the events that cause it and the messages that it sends."""
    events = defaultdict(list)
    for (status, event), transition in TABLE.transitions.items():
        compensations = [str(compensation) for compensation in transition.compensate]
        sent = [*compensations, *(str(effect) for effect in transition.send)]
        events[status, transition.to, tuple(sent)].append(str(event))
    begin = ", ".join(effect.value for effect in PLACED.effects if effect is not Effect.START_DEADLINE)
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


def mermaid_of_compensation() -> str:
    """The states of a compensation and the triggers between them."""
    triggers = defaultdict(list)
    for (before, trigger), after in COMPENSATION_TRANSITIONS.items():
        triggers[before.value if before else "[*]", after.value].append(trigger.value)
    lines = [
        "stateDiagram-v2",
        *(f"    {before} --> {after}: {', '.join(named)}" for (before, after), named in triggers.items()),
    ]
    return "\n".join(lines)
