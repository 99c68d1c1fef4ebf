"""The grammar of field lines (RFC 9110 §5.5, RFC 9112 §5), for requests and answers."""

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# Without CR, LF, NUL and the other control characters but the tab. A line that begins with a space
# (obs-fold) does not fit, nor does a space before the colon.
FIELD_LINES = re.compile(rb"(?:" + TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")
