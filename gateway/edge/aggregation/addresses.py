"""Path templates with typed parameters: ``/api/user/{userId}/dashboard``.

A value is matched by its type, so it can bring no slash, dot segment or query of its own, and is
percent-encoded where it is put in.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import quote

TYPES = {
    "uuid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "integer": r"[0-9]{1,18}",
    "slug": r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,99}",
}
PARAMETER = re.compile(r"\{([a-z][A-Za-z0-9]{0,31})\}")
LITERAL = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,99}")
QUERY = re.compile(r"[A-Za-z0-9_.~=&,:*+-]*")
MAX_CHARS = 400


class InvalidTemplate(ValueError):
    """The text names the fault of the path."""


class Template:
    """The public path. Raises InvalidTemplate."""

    def __init__(self, path: str, types: Mapping[str, str]) -> None:
        self.names: list[str] = []
        pieces, shapes = [], []
        for segment in _segments(path):
            name = _parameter(segment)
            if name is None:
                pieces.append(re.escape(segment))
                shapes.append(segment)
            else:
                kind = self._kind(name, types)
                pieces.append(f"(?P<{name}>{TYPES[kind]})")
                shapes.append(f"{{{kind}}}")
        self._pattern = re.compile("/" + "/".join(pieces))
        self.shape = "/".join(shapes)
        self._types = types

    def match(self, path: bytes) -> dict[str, str] | None:
        """The parameters in ``path``; None when it is another one. A UUID is in lower case."""
        found = self._pattern.fullmatch(path.decode("latin-1"))
        if found is None:
            return None
        return {
            name: value.lower() if self._types[name] == "uuid" else value
            for name, value in found.groupdict().items()
        }

    def _kind(self, name: str, types: Mapping[str, str]) -> str:
        if types.get(name) not in TYPES:
            raise InvalidTemplate(f"say of {{{name}}} whether it is a {', '.join(TYPES)}.")
        if name in self.names:
            raise InvalidTemplate(f"the path has {{{name}}} twice.")
        self.names.append(name)
        return types[name]


def fill(target: str, values: Mapping[str, str]) -> str:
    """``target`` with the values in their places, percent-encoded."""
    return PARAMETER.sub(lambda match: quote(values[match[1]], safe=""), target)


def check_target(target: str, parameters: Collection[str], internal: Collection[str]) -> None:
    """Raises InvalidTemplate unless ``target`` is a path, and perhaps a query, of those parameters."""
    path, _, query = target.partition("?")
    segments = list(_segments(path))
    if segments[0] in internal:
        raise InvalidTemplate(f"/{segments[0]} of a service is for operators and other services.")
    used = [name for segment in segments if (name := _parameter(segment)) is not None]
    used += PARAMETER.findall(query)
    if not QUERY.fullmatch(PARAMETER.sub("", query)):
        raise InvalidTemplate(f"the query {query!r} must be plain names and values, or {{parameters}}.")
    unknown = set(used) - set(parameters)
    if unknown:
        raise InvalidTemplate(f"there is no parameter {{{min(unknown)}}}.")


def _segments(path: str) -> Iterable[str]:
    if not path.startswith("/") or path == "/" or len(path) > MAX_CHARS:
        raise InvalidTemplate(f"the path {path[:MAX_CHARS]!r} must look like /api/things/{{thingId}}.")
    segments = path[1:].split("/")
    for segment in segments:
        if not LITERAL.fullmatch(segment) and not PARAMETER.fullmatch(segment):
            raise InvalidTemplate(f"{segment!r} in the path {path!r} is neither plain nor a {{parameter}}.")
    return segments


def _parameter(segment: str) -> str | None:
    found = PARAMETER.fullmatch(segment)
    return found[1] if found else None
