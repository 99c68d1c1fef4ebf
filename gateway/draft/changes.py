"""The difference of two routing tables, in words."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.draft import wording
from gateway.edge.routes import snapshot

Document = dict[str, Any]
VERSION = "version"
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
# The field that names a row, in the order of preference.
NAMES = ("name", "issuer", "id")
SINGULAR = {
    "aggregates": "aggregate",
    "consumers": "consumer",
    "cors": "cross-origin rules",
    "issuers": "issuer",
    "limits": "limit policy",
    "routes": "route",
    "services": "service",
}
# The fields that say in short what an added row is.
SUMMARY = ("prefix", "path", "service", "service_path", "access")
# The table before the first publication.
NOTHING: Document = {"version": 0, "routes": [], "cors": {}, "aggregates": []}


@dataclass(frozen=True)
class Change:
    """One row that differs. ``name`` is empty for a section that is one thing, such as ``cors``."""

    section: str
    name: str
    kind: str
    details: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        what = SINGULAR.get(self.section, self.section)
        return self.name if self.section == "routes" else f"{what} {self.name}".strip()

    @property
    def text(self) -> str:
        """``orders: time-out 10 s → 5 s``, ``things: added (/things)``."""
        if self.kind == CHANGED:
            return f"{self.subject}: {'; '.join(self.details)}"
        told = f" ({'; '.join(self.details)})" if self.details else ""
        return f"{self.subject}: {self.kind}{told}"


def changes(old: Document | None, new: Document) -> list[Change]:
    """The changes from ``old`` to ``new``, by section and name. ``old`` is None before the first."""
    before, after = _comparable(old or NOTHING, new)
    found: list[Change] = []
    for section in sorted({*before, *after} - {VERSION}, key=_order):
        found += _section(section, before.get(section), after.get(section))
    return found


def words(old: Document | None, new: Document) -> list[str]:
    return [change.text for change in changes(old, new)]


def _order(section: str) -> tuple[bool, str]:
    return section != "routes", section


def _comparable(old: Document, new: Document) -> tuple[Document, Document]:
    """Both tables with the values that they leave out; as they are when one is not valid any more."""
    try:
        return _whole(old), _whole(new)
    except snapshot.InvalidConfiguration:
        return old, new


def _whole(document: Document) -> Document:
    return dataclasses.asdict(snapshot.read(document))


def _section(section: str, old: Any, new: Any) -> list[Change]:
    before, after = _rows(old), _rows(new)
    if before is None or after is None:
        details = _fields(old or {}, new or {})
        return [Change(section, "", CHANGED, details)] if details else []
    found = []
    for name in sorted({*before, *after}):
        if name not in before:
            found.append(Change(section, name, ADDED, _summary(after[name])))
        elif name not in after:
            found.append(Change(section, name, REMOVED))
        elif details := _fields(before[name], after[name]):
            found.append(Change(section, name, CHANGED, details))
    return found


def _rows(section: Any) -> dict[str, Any] | None:
    """The rows of a section by name; None for a section that is one thing."""
    if section is None:
        return {}
    if isinstance(section, Mapping):
        is_by_name = bool(section) and all(isinstance(row, Mapping) for row in section.values())
        return {str(name): row for name, row in section.items()} if is_by_name or not section else None
    return {_name(row): row for row in section}


def _name(row: Any) -> str:
    if not isinstance(row, Mapping):
        return str(row)
    return next((str(row[field]) for field in NAMES if row.get(field)), "?")


def _fields(old: Any, new: Any) -> tuple[str, ...]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return () if old == new else (f"{wording.value('', old)} {wording.ARROW} {wording.value('', new)}",)
    names = [*new, *(name for name in old if name not in new)]
    return tuple(
        told
        for name in names
        if not _same(old.get(name), new.get(name))
        for told in _field(name, old.get(name), new.get(name))
    )


def _field(name: str, old: Any, new: Any) -> tuple[str, ...]:
    if _is_rows(old) and _is_rows(new) and (old or new) and not wording.is_concealed(name):
        inner = _section(name, old, new)
        one = wording.label(name).removesuffix("s")
        return tuple(
            f"{one} {change.name}: {'; '.join(change.details) if change.kind == CHANGED else change.kind}"
            for change in inner
        )
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return tuple(f"{wording.label(name)}: {told}" for told in _fields(old, new))
    return (wording.change(name, old, new),)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(row, Mapping) for row in value)


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return list(old) == list(new)
    return bool(old == new)


def _summary(row: Any) -> tuple[str, ...]:
    if not isinstance(row, Mapping):
        return ()
    return tuple(
        f"{wording.label(field)} {wording.value(field, row[field])}" for field in SUMMARY if row.get(field)
    )
