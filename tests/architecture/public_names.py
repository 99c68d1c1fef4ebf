"""The public names of the library, their parameters, and the rules under which they may change.

A module is public when docs/reference/ has a page of its name; its ``__all__`` names its exports. They are
recorded in docs/reference/names.txt, one a line. `make names` writes the record and refuses a change that
docs/versions.md does not allow.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from inspect import Parameter
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"
RECORD = PAGES / "names.txt"

NOTICE = re.compile(r"Deprecated since (\d+)\.(\d+); removed in (\d+)\.(\d+)\. Use (.+)\.")
LINE = re.compile(r"(?P<kind>\w+) (?P<name>[\w.]+)(?:\((?P<parameters>.*?)\))?(?:  # (?P<notices>.+))?")
HEADER = """\
# The names that docs/versions.md protects. `make names` writes this file.
# A default is written as "...". A notice of a parameter begins with the parameter's name.
"""

Version = tuple[int, int]


@dataclass(frozen=True)
class Public:
    """One name. ``notices`` has the deprecation of the name itself under ``""``, and those of parameters."""

    kind: str
    name: str
    parameters: tuple[Parameter, ...] | None = None
    notices: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        shown = f"{self.kind} {self.name}"
        if self.parameters is not None:
            shown += _written(self.parameters)
        if self.notices:
            told = (f"{name}: {notice}" if name else notice for name, notice in sorted(self.notices.items()))
            shown += "  # " + " | ".join(told)
        return shown


Face = dict[str, Public]


def version() -> Version:
    """Major and minor version of the library."""
    text = (ROOT / "platform" / "atoll" / "__init__.py").read_text()
    found = re.search(r'__version__ = "(\d+)\.(\d+)', text)
    assert found, "atoll.__version__ is missing"
    return int(found[1]), int(found[2])


def modules(root: Path = ROOT) -> list[str]:
    return sorted(page.stem for page in (root / "docs" / "reference").glob("atoll*.md"))


def face(root: Path = ROOT) -> Face:
    """The public names of the code as it stands. The code is read and not imported."""
    package = _library(root)
    return {found.name: found for name in modules(root) for found in _of_module(package, name)}


@cache
def _library(root: Path) -> griffe.Object | griffe.Alias:
    return griffe.load("atoll", search_paths=[str(root / "platform")], resolve_aliases=True)


def undocumented() -> list[str]:
    """The public modules, functions and classes without a docstring."""
    package = _library(ROOT)
    found = [name for name in modules() if not package[name.removeprefix("atoll.")].docstring]
    for name in face():
        thing = package[name.removeprefix("atoll.")]
        is_export = name.rpartition(".")[0] in modules()
        if is_export and (thing.is_function or thing.is_class) and not thing.docstring:
            found.append(name)
    return found


def _of_module(package: griffe.Object | griffe.Alias, name: str) -> Iterator[Public]:
    module = package[name.removeprefix("atoll.")]
    assert module.exports is not None, f"{name} has no __all__"
    moved = _moved(module)
    for export in map(str, module.exports):
        if export not in moved:
            yield from _of(module[export], f"{name}.{export}")
            continue
        notice, place = moved[export]
        for one in _of(package[place.removeprefix("atoll.")], f"{name}.{export}"):
            is_itself = one.name == f"{name}.{export}"
            yield replace(one, notices={"": notice}) if is_itself else one


def _moved(module: griffe.Object | griffe.Alias) -> dict[str, tuple[str, str]]:
    """Notice and new place of the names that ``deprecated_names`` serves."""
    found = module.members.get("__getattr__")
    call = getattr(found, "value", None)
    if not isinstance(call, griffe.ExprCall) or not str(call.canonical_path).endswith(".deprecated_names"):
        return {}
    places: dict[str, tuple[str, str]] = ast.literal_eval(str(call.arguments[1]))
    return places


def _of(thing: griffe.Object | griffe.Alias, name: str) -> Iterator[Public]:
    if thing.is_alias and thing.target.package.path != "atoll":
        yield Public("value", name)
        return
    notices = dict(_notices(thing))
    if thing.is_function:
        yield Public("def", name, _parameters(thing), notices)
    elif thing.is_class:
        yield Public("class", name, _parameters(thing), notices)
        for member, inner in sorted(thing.all_members.items()):
            if member.startswith(("_", "test_")) or member == "Meta":
                continue
            if inner.is_alias and inner.target.package.path != "atoll":
                continue
            if inner.is_class:
                yield Public("class", f"{name}.{member}")
            else:
                yield from _of(inner, f"{name}.{member}")
    else:
        yield Public("module" if thing.is_module else "value", name, None, notices)


def _notices(thing: griffe.Object | griffe.Alias) -> Iterator[tuple[str, str]]:
    """The notices in the decorators of a function or a class."""
    for decorator in getattr(thing, "decorators", []):
        call = decorator.value
        if not isinstance(call, griffe.ExprCall):
            continue
        texts = [str(argument) for argument in call.arguments]
        if str(call.canonical_path).endswith(".deprecated"):
            yield "", ast.literal_eval(texts[0])
        elif str(call.canonical_path).endswith(".deprecated_parameter"):
            yield ast.literal_eval(texts[0]), ast.literal_eval(texts[1])


def _parameters(thing: griffe.Object | griffe.Alias) -> tuple[Parameter, ...]:
    if thing.is_class and "__init__" not in thing.all_members and not thing.has_labels("dataclass"):
        return ()
    given = list(thing.parameters)
    if given and given[0].name in ("self", "cls") and (thing.is_class or thing.parent.is_class):
        given = given[1:]
    return tuple(_parameter(one) for one in given)


def _parameter(given: griffe.Parameter) -> Parameter:
    kinds = {
        griffe.ParameterKind.positional_only: Parameter.POSITIONAL_ONLY,
        griffe.ParameterKind.positional_or_keyword: Parameter.POSITIONAL_OR_KEYWORD,
        griffe.ParameterKind.var_positional: Parameter.VAR_POSITIONAL,
        griffe.ParameterKind.keyword_only: Parameter.KEYWORD_ONLY,
        griffe.ParameterKind.var_keyword: Parameter.VAR_KEYWORD,
    }
    kind = kinds[given.kind or griffe.ParameterKind.positional_or_keyword]
    is_optional = given.default is not None and kind not in (
        Parameter.VAR_POSITIONAL,
        Parameter.VAR_KEYWORD,
    )
    return Parameter(given.name.lstrip("*"), kind, default=... if is_optional else Parameter.empty)


def _written(parameters: tuple[Parameter, ...]) -> str:
    shown: list[str] = []
    previous = None
    for one in parameters:
        if previous is Parameter.POSITIONAL_ONLY and one.kind is not previous:
            shown.append("/")
        if one.kind is Parameter.KEYWORD_ONLY and previous not in (
            Parameter.KEYWORD_ONLY,
            Parameter.VAR_POSITIONAL,
        ):
            shown.append("*")
        star = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}.get(one.kind, "")
        shown.append(star + one.name + ("=..." if one.default is not Parameter.empty else ""))
        previous = one.kind
    if previous is Parameter.POSITIONAL_ONLY:
        shown.append("/")
    return f"({', '.join(shown)})"


def _read(parameters: str) -> tuple[Parameter, ...]:
    given = ast.parse(f"def f({parameters}): ...").body[0]
    assert isinstance(given, ast.FunctionDef)
    of = given.args
    places = [(one, Parameter.POSITIONAL_ONLY) for one in of.posonlyargs]
    places += [(one, Parameter.POSITIONAL_OR_KEYWORD) for one in of.args]
    optional = {one.arg for one, _ in places[len(places) - len(of.defaults) :]} if of.defaults else set()
    optional |= {one.arg for one, default in zip(of.kwonlyargs, of.kw_defaults, strict=True) if default}
    places += [(of.vararg, Parameter.VAR_POSITIONAL)] if of.vararg else []
    places += [(one, Parameter.KEYWORD_ONLY) for one in of.kwonlyargs]
    places += [(of.kwarg, Parameter.VAR_KEYWORD)] if of.kwarg else []
    return tuple(
        Parameter(one.arg, kind, default=... if one.arg in optional else Parameter.empty)
        for one, kind in places
    )


def read(text: str) -> Face:
    """The names of a record. Raises ValueError for a line that cannot be read."""
    found: Face = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{RECORD.name}: {line!r} cannot be read")
        notices = {}
        for told in (match["notices"] or "").split(" | "):
            before, _, after = told.partition(": ")
            if told:
                notices |= {before: after} if after else {"": told}
        parameters = None if match["parameters"] is None else _read(match["parameters"])
        found[match["name"]] = Public(match["kind"], match["name"], parameters, notices)
    return found


def write(names: Face) -> str:
    return HEADER + "".join(f"{names[name].line()}\n" for name in sorted(names))


def breaks(recorded: Face, current: Face, at: Version) -> list[str]:
    """The changes from ``recorded`` to ``current`` that version ``at`` may not make, as sentences."""
    found = []
    for name, old in recorded.items():
        new = current.get(name)
        if new is None:
            if not any(_is_due(recorded.get(outer), "", at) for outer in _outward(name)):
                found.append(f"{name} has gone. Deprecate it first.")
            continue
        if new.kind != old.kind:
            found.append(f"{name} was a {old.kind} and is a {new.kind}.")
        if old.parameters is not None and new.parameters is not None:
            found += [
                f"{name}: {fault}"
                for parameter, fault in _call_breaks(old.parameters, new.parameters)
                if not _is_due(old, parameter, at)
            ]
    for name, new in current.items():
        old_notices = recorded[name].notices if name in recorded else {}
        for parameter, notice in new.notices.items():
            if old_notices.get(parameter) != notice:
                fault = _notice_fault(notice, at)
                found += [f"{name}: {fault}"] if fault else []
    return found


def _outward(name: str) -> Iterator[str]:
    """The name, then the class that it is in, and so on."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _is_due(recorded: Public | None, parameter: str, at: Version) -> bool:
    """Whether the record has a deprecation whose time has come."""
    notice = NOTICE.fullmatch(recorded.notices.get(parameter, "")) if recorded else None
    return notice is not None and (int(notice[3]), int(notice[4])) <= at


def _notice_fault(notice: str, at: Version) -> str | None:
    match = NOTICE.fullmatch(notice)
    if match is None:
        return f"{notice!r} is no notice such as 'Deprecated since 0.2; removed in 0.4. Use atoll.x.'"
    since, removal = (int(match[1]), int(match[2])), (int(match[3]), int(match[4]))
    if since < at:
        return f"it was not deprecated in {match[1]}.{match[2]}: that version is older than {at[0]}.{at[1]}"
    soonest = (0, since[1] + 2) if since[0] == 0 else (since[0] + 1, 0)
    if removal < soonest:
        return f"it may go in {soonest[0]}.{soonest[1]} at the soonest, not in {match[3]}.{match[4]}"
    return None


def _call_breaks(old: tuple[Parameter, ...], new: tuple[Parameter, ...]) -> Iterator[tuple[str, str]]:
    """The parameters whose change breaks a call that was right, each with the change."""
    by_name = {one.name: one for one in new}
    kinds = {one.kind for one in new}
    by_place = [one.name for one in new if one.kind in _POSITIONAL]
    for place, one in enumerate(old):
        now = by_name.get(one.name)
        if now is None and not (one.kind in _NAMED and Parameter.VAR_KEYWORD in kinds):
            yield one.name, f"the parameter {one.name} has gone"
        if now is None:
            continue
        if one.kind in _POSITIONAL and by_place[place : place + 1] != [one.name]:
            yield one.name, f"the parameter {one.name} cannot be given at its old place"
        if one.kind in _NAMED and now.kind not in _NAMED:
            yield one.name, f"the parameter {one.name} cannot be given by name"
        if one.default is not Parameter.empty and now.default is Parameter.empty:
            yield one.name, f"the parameter {one.name} is required"
    known = {one.name for one in old}
    for one in new:
        if one.name not in known and one.default is Parameter.empty and one.kind not in _VARIABLE:
            yield one.name, f"the new parameter {one.name} is required"


_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def main() -> int:
    current = face()
    recorded = read(RECORD.read_text()) if RECORD.exists() else {}
    faults = breaks(recorded, current, version())
    if faults:
        print("The record stays as it is. docs/versions.md says how a name goes.", *faults, sep="\n")
        return 1
    RECORD.write_text(write(current))
    print(f"{RECORD.relative_to(ROOT)}: {len(current)} names")
    return 0


if __name__ == "__main__":
    sys.exit(main())
