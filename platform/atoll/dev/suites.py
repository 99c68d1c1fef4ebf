"""The test suites of the repository. Each runs in a pytest process of its own, with its own settings."""

import asyncio
import sys
import time
import xml.etree.ElementTree as ElementTree  # reads only files of our own pytest
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atoll import conf

NO_TESTS_COLLECTED = 5
FAILED = {"failure", "error"}  # as JUnit's format calls them
# Variables that name a real server. Suites run on engines of their own.
SERVER_VARIABLES = ("DATABASE_URL", "REDIS_URL", "RABBITMQ_URL")


@dataclass(frozen=True)
class Suite:
    """A test suite.

    ``whole``: it starts whole platforms, in the environment of the user. ``alone``: no other suite
    runs beside it. ``arguments`` go to pytest, before those of the user.
    """

    name: str
    table: Path
    folder: Path
    whole: bool = False
    alone: bool = False
    arguments: tuple[str, ...] = ()


@dataclass
class Result:
    suite: Suite
    exit_code: int
    took_s: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    skips: list[str] = field(default_factory=list)
    passed_names: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)  # the test, and pytest's short report

    @property
    def ok(self) -> bool:
        return self.exit_code in (0, NO_TESTS_COLLECTED) and not self.failed


def all_suites() -> list[Suite]:
    """The suites of the library, of every project, of demo, load and bench, and over several projects."""
    root = conf.root()
    table, tests = root / "platform" / "pyproject.toml", root / "platform" / "tests"
    # The longest first, since suites run beside each other.
    found = [
        Suite("workers", table, tests / "bus", arguments=("-m", "processes and not long")),
        Suite("bus", table, tests / "bus", arguments=("-m", "not processes and not long")),
        Suite(
            "platform", table, tests, arguments=(f"--ignore={tests / 'bus'}", f"--ignore={tests / 'stock'}")
        ),
        # The bus in a project of Django's own admin, with settings of its own.
        Suite("stock", table, tests / "stock", arguments=("--ds=stockproject.settings",)),
    ]
    if any((root / "tests" / "chaos").glob("test_*.py")):
        # It waits for faults most of the time, so suites beside it do not disturb it.
        found.append(Suite("chaos", root / "tests" / "pyproject.toml", root / "tests" / "chaos", whole=True))
    for project in conf.projects().values():
        folder = root / project.package.replace(".", "/")
        found.append(Suite(project.name, folder / "pyproject.toml", folder))
    for name in ("demo", "load", "bench"):
        found.append(Suite(name, root / name / "pyproject.toml", root / name))
    for name in ("architecture", "contracts", "differential", "standalone", "journeys"):
        folder = root / "tests" / name
        if any(folder.glob("test_*.py")):
            alone = name == "journeys"
            found.append(Suite(name, root / "tests" / "pyproject.toml", folder, whole=alone, alone=alone))
    return found


def environment(
    suite: Suite, given: Mapping[str, str], home: Path, library_database_url: str
) -> dict[str, str]:
    """The suite's environment: the test engines, or ``given`` for suites of whole platforms."""
    root = conf.root()
    # Processes that tests start find the projects like manage.py does.
    found = {"ATOLL_ROOT": str(root), "PYTHONPATH": f"{root}:{root / 'platform'}"}
    if suite.whole:
        return dict(given) | found
    if given.get("RABBITMQ_URL"):
        # The library's tests use RabbitMQ where it answers, each under names of its own.
        found["ATOLL_TEST_RABBITMQ"] = given["RABBITMQ_URL"]
    kept = {name: value for name, value in given.items() if not name.endswith(SERVER_VARIABLES)}
    return (
        kept
        | found
        | {
            "ATOLL_ENV": "test",
            "ATOLL_HOME": str(home),
            "ATOLL_TEST_DATABASE_URL": library_database_url,
        }
    )


async def run(suite: Suite, results: Path, env: Mapping[str, str], arguments: list[str]) -> Result:
    """Run it, or those of its files and tests that ``arguments`` name.

    The output goes to ``results/NAME.out``.
    """
    report, output = results / f"{suite.name}.xml", results / f"{suite.name}.out"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    folder = [] if any(_is_within(suite, argument) for argument in arguments) else [str(suite.folder)]
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-c", str(suite.table), *folder),
            *("-q", "--tb=short", f"--junitxml={report}", "-o", "junit_family=xunit2"),
            *suite.arguments,
            *arguments,
            cwd=conf.root(),
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            exit_code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
    result = Result(suite, exit_code, time.monotonic() - began)
    if report.exists():
        _count(result, report)
    return result


def _is_within(suite: Suite, argument: str) -> bool:
    """Whether the argument names a file or folder of the suite, or a test in it (``FILE::TEST``)."""
    path = (conf.root() / argument.partition("::")[0]).resolve()
    return path.exists() and path.is_relative_to(suite.folder.resolve())


def _count(result: Result, report: Path) -> None:
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        kinds = {child.tag for child in case}
        if kinds & FAILED:
            result.failed += 1
            name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
            texts = [child.text or child.get("message") or "" for child in case if child.tag in FAILED]
            result.failures.append((name, "\n".join(texts).strip()))
        elif "skipped" in kinds:
            result.skipped += 1
            skip = case.find("skipped")
            result.skips.append((skip.get("message") if skip is not None else None) or "no reason given")
        else:
            result.passed += 1
            result.passed_names.append(case.get("name", ""))
