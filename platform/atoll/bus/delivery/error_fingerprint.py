"""The fingerprint of a failure: one name for all failures that have one cause.

The name has the exception's class, its message without the parts that vary from one bus message to the
next, and the line of the service's code that raised it; and the same of the exceptions that it was raised
from. So two missing keys are two causes, and one line that fails for a thousand orders is one cause.
"""

import hashlib
import linecache
import re
import sysconfig
from collections.abc import Iterator
from traceback import walk_tb
from types import CodeType, FrameType

from atoll.bus.handler_exceptions import Dead

MAX_GROUP_CHARACTERS = 300
# Exceptions of one chain and of exception groups, together.
MAX_CHAINED = 5
MAX_MESSAGE_CHARACTERS = 2000

LIBRARY = __name__.partition(".")[0]
_FOREIGN_FOLDERS = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]")

# These vary: ids, times, addresses, values and numbers. A word in quotes is a name, for instance of a
# field; a longer text in quotes is a value. Digits inside a word belong to the word.
_VARYING = (
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (
        re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b", re.IGNORECASE),
        "<id>",
    ),
    (re.compile(r"[^\s@'\"<>()]+@[^\s@'\"<>()]+\.[^\s@'\"<>()]+"), "<email>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<address>"),
    # Long words with several digits: hashes, tokens, ids of other systems.
    (re.compile(r"\b(?=(?:[A-Za-z_]*[0-9]){3})[0-9A-Za-z_]{12,}\b"), "<id>"),
    # PostgreSQL: Key (email)=(ada@example.com) already exists.
    (re.compile(r"\)=\([^\n]*?\)(?=\s|$)"), ")=(<value>)"),
)
_VALUE_IN_QUOTES = re.compile(r"'[^'\n]*[^'\n\w.\-\[\]<>][^'\n]*'|\"[^\"\n]*[^\"\n\w.\-\[\]<>][^\"\n]*\"")
# A status or an error number tells causes apart; any other number counts or measures something.
_NUMBERS = re.compile(
    r"(?P<kept>\b(?:http|status|code|errno|answered)\W{0,3}\d{1,5}\b)|(?<![A-Za-z_\d])\d+(?:[.,:]\d+)*",
    re.IGNORECASE,
)


def fingerprint_of(error: BaseException) -> str:
    """One readable line of at most MAX_GROUP_CHARACTERS, the same for all failures of one cause.

    A digest stands for the part of a longer line that is cut off.
    """
    text = " from ".join(_named(each) for each in _chain(error))
    if len(text) <= MAX_GROUP_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    return f"{text[: MAX_GROUP_CHARACTERS - 17]} {digest}"


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, the exceptions that it was raised from, and the members of groups; each once."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < MAX_CHAINED:
        each = waiting.pop(0)
        if any(each is held for held in found):
            continue
        found.append(each)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        waiting += [before] if before else []
    return found


def _named(error: BaseException) -> str:
    said = f"{type(error).__name__}: {_message(error)}".removesuffix(": ")
    return " in ".join([said, *_place(error)])


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the class of another package may fail here, too
        return "<unprintable>"
    text = text[:MAX_MESSAGE_CHARACTERS]
    for pattern, stands_for in _VARYING:
        text = pattern.sub(stands_for, text)
    if not isinstance(error, KeyError):
        text = _VALUE_IN_QUOTES.sub("<text>", text)
    text = _NUMBERS.sub(lambda found: found["kept"] or "#", text)
    return " ".join(text.split())


def _place(error: BaseException) -> Iterator[str]:
    """The last line of the service's code in the traceback, else of the library's: its function and text.

    The text stays the same when the line moves.
    """
    ours = library = None
    for frame, line_number in walk_tb(error.__traceback__):
        if _is_foreign(frame):
            continue
        if _module(frame).partition(".")[0] == LIBRARY:
            library = (frame, line_number)
        else:
            ours = (frame, line_number)
    # The bus raises Dead itself; the message of that explains enough.
    if found := ours or (None if isinstance(error, Dead) else library):
        frame, line_number = found
        code: CodeType = frame.f_code
        line = linecache.getline(code.co_filename, line_number, frame.f_globals).strip()
        place = f"{_module(frame)}.{code.co_qualname}"
        yield f"{place}: {' '.join(line.split())}" if line else place


def _is_foreign(frame: FrameType) -> bool:
    """Whether the frame is of Python itself, or of an installed package other than this library."""
    name = frame.f_code.co_filename
    if _module(frame).partition(".")[0] == LIBRARY:
        return False
    return name.startswith(("<frozen", *_FOREIGN_FOLDERS)) or bool(_INSTALLED.search(name))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
