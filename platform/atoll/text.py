"""The rule for texts that people write: names, titles, descriptions, labels, reasons.

A text without a visible character names nothing. A character that changes the direction of text alters
the meaning of the page around it.
"""

import re
import unicodedata

__all__ = ["fault_of"]

# Embeddings, overrides and isolates of direction, with their deprecated kin.
_DIRECTION = r"\u202a-\u202e\u2066-\u206f"
_NOT_IN_A_LINE = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{_DIRECTION}]")
_NOT_IN_LINES = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_DIRECTION}]")
_SEEN = frozenset("LNPS")
# Blank characters that Unicode counts among letters and symbols: the fillers of Hangul, the empty cell of
# Braille, the null note.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159")


def fault_of(text: str, *, has_lines: bool = False) -> str | None:
    """A sentence with the fault of a text; None when it has none.

    ``has_lines`` allows line breaks and tabs. Joiners and marks of direction are allowed beside letters,
    since scripts and emoji need them.
    """
    if (_NOT_IN_LINES if has_lines else _NOT_IN_A_LINE).search(text):
        return "Control characters, and characters that change the direction of text, are not allowed."
    if not any(unicodedata.category(character)[0] in _SEEN and character not in _BLANK for character in text):
        return "This must have at least one visible character."
    return None
