"""The routing table as YAML, for review beside code: rows by their names, without keys of consumers."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from gateway.draft.rows import NEVER_LOADED

MAX_BYTES = 1_048_576
MAX_DEPTH = 20
NAMED = ("routes", "services", "limits", "issuers", "aggregates")
SECTIONS = (*NAMED, "cors")
# Fields of a route that a published table does not have.
INSIST = "insist"
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Unreadable(ValueError):
    """The text says where and why the file cannot be read."""


def dump(document: dict[str, Any], *, insisted: frozenset[str] = frozenset()) -> str:
    """The table as text. ``insisted`` are the routes whose risk was accepted."""
    shown: dict[str, Any] = {}
    for section, value in document.items():
        if section == "version" or section in NEVER_LOADED:
            continue
        shown[section] = _by_name(value) if section in NAMED else value
    for name, route in shown.get("routes", {}).items():
        if name in insisted:
            route[INSIST] = True
    return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=100))


def parse(content: bytes) -> dict[str, Any]:
    """The sections of the file; rows are lists with names, as in a published table. Raises Unreadable."""
    if len(content) > MAX_BYTES:
        raise Unreadable(f"The file has more than {MAX_BYTES} bytes.")
    try:
        given = yaml.load(content.decode(), Loader=_Loader)  # noqa: S506  # a subclass of the safe loader
    except UnicodeDecodeError as error:
        raise Unreadable(f"The file is not UTF-8: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Unreadable(f"The file is no YAML: {error}") from None
    if not isinstance(given, dict):
        raise Unreadable("The file must have sections, such as routes.")
    unknown = [section for section in given if section not in SECTIONS]
    if unknown:
        raise Unreadable(f"There is no section {unknown[0]!r}; there are {', '.join(SECTIONS)}.")
    return {section: _section(section, value) for section, value in given.items()}


def _by_name(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {row["name"]: {key: value for key, value in row.items() if key != "name"} for row in rows}


def _section(section: str, value: Any) -> Any:
    if section not in NAMED:
        return value
    if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
        raise Unreadable(f"{section} must have names, each with its fields.")
    return [{**row, "name": name} for name, row in value.items()]


class _Loader(yaml.SafeLoader):
    """Plain YAML: no aliases, which could grow without end, no name twice, and a bounded depth.

    Nor does it read NUL and lone surrogates, which no database stores.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(
                None,
                None,
                "aliases are not read",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(
                None,
                None,
                "it is nested too deep",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_scalar(self, node: Any) -> Any:
        value = super().construct_scalar(node)
        if UNSTORABLE.search(value):
            raise yaml.constructor.ConstructorError(
                None, None, "this text has a character that cannot be stored", node.start_mark
            )
        return value

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = list(_names(node))
        for number, name in enumerate(names):
            if name in names[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name!r} is here twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _names(node: Any) -> Iterator[Any]:
    for key, _ in node.value:
        yield key.value if isinstance(key, yaml.ScalarNode) else id(key)
