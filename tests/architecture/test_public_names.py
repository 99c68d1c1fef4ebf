"""No public name goes, and no right call breaks, before docs/versions.md allows it."""

import ast
from pathlib import Path

import pytest

from tests.architecture.public_names import (
    RECORD,
    ROOT,
    breaks,
    face,
    modules,
    read,
    undocumented,
    version,
    write,
)

SEND = "def atoll.bus.send(command, *, to=..., key=...)"
NOTICE = "Deprecated since 0.2; removed in 0.4. Use atoll.bus.tell."
# Users is a part of the platform: it issues the tokens, and signs people in.
SERVICES = ("orders", "products", "payments")
# A module that a service of the platform uses for speed, and that may change in every version.
OWN = {"atoll.postgresql.prepared"}


def test_the_record_has_the_public_names_as_they_are():
    recorded, current = read(RECORD.read_text()), face()

    assert breaks(recorded, current, version()) == []
    assert RECORD.read_text() == write(current), "new public names: run `make names` and read the difference"


def test_a_record_is_read_as_it_was_written():
    text = write(face())

    assert write(read(text)) == text


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        ("", "atoll.bus.send has gone. Deprecate it first."),
        ("value atoll.bus.send", "atoll.bus.send was a def and is a value."),
        ("def atoll.bus.send(command, *, to=...)", "atoll.bus.send: the parameter key has gone"),
        ("def atoll.bus.send(command, *, to, key=...)", "atoll.bus.send: the parameter to is required"),
        (
            "def atoll.bus.send(command, *, to=..., key=..., why)",
            "atoll.bus.send: the new parameter why is required",
        ),
        (
            "def atoll.bus.send(why=..., command=..., *, to=..., key=...)",
            "atoll.bus.send: the parameter command cannot be given at its old place",
        ),
        (
            "def atoll.bus.send(*, command, to=..., key=...)",
            "atoll.bus.send: the parameter command cannot be given at its old place",
        ),
        (
            "def atoll.bus.send(command, /, *, to=..., key=...)",
            "atoll.bus.send: the parameter command cannot be given by name",
        ),
    ],
)
def test_a_change_that_breaks_a_user_is_refused(now: str, fault: str):
    assert breaks(read(SEND), read(now), (0, 2)) == [fault]


@pytest.mark.parametrize(
    "now",
    [
        SEND,
        "def atoll.bus.send(command, to=..., key=...)",
        "def atoll.bus.send(command=..., *, to=..., key=..., why=...)",
        "def atoll.bus.send(command, *more, **options)",
        f"{SEND}\ndef atoll.bus.tell(command)",
    ],
)
def test_a_change_that_breaks_nobody_is_allowed(now: str):
    assert breaks(read(SEND), read(now), (0, 2)) == []


def test_a_deprecated_name_goes_in_the_version_that_was_announced_and_not_before():
    recorded = read(f"{SEND}  # {NOTICE}")

    assert breaks(recorded, {}, (0, 3)) == ["atoll.bus.send has gone. Deprecate it first."]
    assert breaks(recorded, {}, (0, 4)) == []
    assert breaks(recorded, {}, (1, 0)) == []


def test_what_a_deprecated_class_has_goes_together_with_it():
    recorded = read(f"class atoll.bus.Old(name)  # {NOTICE}\nvalue atoll.bus.Old.name")

    assert breaks(recorded, {}, (0, 4)) == []


def test_a_deprecated_parameter_goes_alone():
    recorded = read(f"{SEND}  # key: {NOTICE}")
    without_key, without_to = read(SEND.replace(", key=...", "")), read(SEND.replace("to=..., ", ""))

    assert breaks(recorded, without_key, (0, 3)) == ["atoll.bus.send: the parameter key has gone"]
    assert breaks(recorded, without_key, (0, 4)) == []
    assert breaks(recorded, without_to, (0, 4)) == ["atoll.bus.send: the parameter to has gone"]


@pytest.mark.parametrize(
    ("notice", "at", "fault"),
    [
        ("Use tell.", (0, 2), "atoll.bus.send: 'Use tell.' is no notice"),
        (
            NOTICE.replace("0.4", "0.3"),
            (0, 2),
            "atoll.bus.send: it may go in 0.4 at the soonest, not in 0.3",
        ),
        (
            NOTICE.replace("0.2", "1.2").replace("0.4", "1.9"),
            (1, 2),
            "atoll.bus.send: it may go in 2.0 at the soonest, not in 1.9",
        ),
        (NOTICE, (0, 3), "atoll.bus.send: it was not deprecated in 0.2: that version is older than 0.3"),
    ],
)
def test_a_notice_gives_users_the_time_of_the_policy(notice: str, at: tuple[int, int], fault: str):
    found = breaks(read(SEND), read(f"{SEND}  # {notice}"), at)

    assert [sentence.startswith(fault) for sentence in found] == [True]


CODE = f"""
from typing_extensions import deprecated
from atoll.deprecation import deprecated_names, deprecated_parameter

__all__ = ["Old", "announce", "moved", "send"]

@deprecated("{NOTICE}")
class Old:
    pass

@deprecated("{NOTICE}")
def announce(event): ...

@deprecated_parameter("key", "{NOTICE}")
def send(command, *, key=None): ...

def tell(event, /): ...

__getattr__ = deprecated_names(__name__, {{"moved": ("{NOTICE}", "atoll.bus.tell")}})
"""


def test_notices_in_the_code_come_into_the_record(tmp_path: Path):
    for file, text in {
        "platform/atoll/__init__.py": "",
        "platform/atoll/bus.py": CODE,
        "docs/reference/atoll.bus.md": "# atoll.bus\n",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)

    assert [one.line() for one in face(tmp_path).values()] == [
        f"class atoll.bus.Old()  # {NOTICE}",
        f"def atoll.bus.announce(event)  # {NOTICE}",
        f"def atoll.bus.moved(event, /)  # {NOTICE}",
        f"def atoll.bus.send(command, *, key=...)  # key: {NOTICE}",
    ]


def imported(file: Path) -> set[str]:
    """The dotted names that a file imports from the library."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "atoll"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_public_names_only(service: str):
    public = set(modules()) | face().keys() | {"atoll.bus", "atoll"}
    folder = ROOT / "services" / service
    files = [file for file in folder.rglob("*.py") if "tests" not in file.relative_to(folder).parts]
    used = {name for file in files for name in imported(file)}

    assert used
    assert {name for name in used - public if name.rpartition(".")[0] not in OWN} == set()


def test_each_public_function_and_class_has_a_docstring():
    assert undocumented() == []
