"""``test``: runs the suites on engines of their own and prints a summary."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from atoll import conf
from atoll.dev import databases, engines, suites
from atoll.dev.platform_lock import PlatformLock
from atoll.dev.postgres import EngineError
from atoll.dev.suites import Result, Suite
from atoll.dev.supervisor import Supervisor

AT_ONCE = 3
# Lines of a failure on the terminal. The named file has all, with the captured output.
QUOTED_TESTS, QUOTED_LINES, QUOTED_CHARACTERS = 10, 30, 200

Say = Callable[[str], None]


async def test(
    home: Path, chosen: list[Suite], arguments: list[str], given: Mapping[str, str], say: Say
) -> int:
    """Run the suites against embedded engines under ``home``. Returns the worst exit code.

    ``given`` is the environment of the user, for the suites that start whole platforms.

    Raises AlreadyRunning when another run uses ``home``, EngineError and StartFailed.
    """
    lock = PlatformLock(home, "the test engines")
    lock.clear_leftovers()
    lock.write([], keeper=None)
    supervisor = Supervisor(forks=False)
    try:
        found = await asyncio.to_thread(engines.prepare, home, durable=False)
        specs = found.specs(_folder(home / "logs"))
        await supervisor.open()
        supervisor.add(specs)
        await supervisor.ready(*[spec.name for spec in specs])
        keeper = supervisor.keeper.pid if supervisor.keeper else None
        lock.write(list(supervisor.members.values()), keeper=keeper)
        if found.postgres is None:
            raise EngineError("Some DATABASE_URL variable is set; suites run on an engine of their own.")
        superuser_url = found.postgres.url()
        await asyncio.to_thread(databases.make_own, superuser_url, may_create_databases=True)
        envs = {
            suite.name: suites.environment(
                suite, given, home, databases.with_database(superuser_url, f"atoll_{suite.name}")
            )
            for suite in chosen
        }
        results = await _run_all(chosen, envs, _folder(home / "results"), arguments, say)
    finally:
        await supervisor.stop()
        lock.close()
    return _conclude(results, given, say)


async def _run_all(
    chosen: list[Suite], envs: dict[str, dict[str, str]], folder: Path, arguments: list[str], say: Say
) -> list[Result]:
    results: list[Result] = []
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(suite: Suite) -> None:
        async with slots:
            result = await suites.run(suite, folder, envs[suite.name], arguments)
        results.append(result)
        _report(result, folder, say)

    async with asyncio.TaskGroup() as group:
        for suite in chosen:
            if not suite.alone:
                group.create_task(one(suite))
    for suite in chosen:
        if suite.alone:
            await one(suite)
    return results


def _report(result: Result, folder: Path, say: Say) -> None:
    counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"
    say(f"{result.suite.name:<14} {counts} in {result.took_s:.1f} s")
    if not result.ok:
        say(_quoted(result, folder / f"{result.suite.name}.out"))
        say(f"-- {result.suite.name} ended with {result.exit_code}; see {folder}/{result.suite.name}.out")


def _quoted(result: Result, output: Path) -> str:
    """The assertion of each failed test; the end of pytest's output where no test failed."""
    if not result.failures:
        return "\n".join(output.read_text(errors="replace").splitlines()[-QUOTED_LINES:])
    parts = []
    for name, text in result.failures[:QUOTED_TESTS]:
        lines = text.splitlines()
        left_out = ["    ..."] if len(lines) > QUOTED_LINES else []
        parts += [f"-- {name}", *left_out, *(f"    {line}" for line in lines[-QUOTED_LINES:])]
    if len(result.failures) > QUOTED_TESTS:
        rest = [name for name, _ in result.failures[QUOTED_TESTS:]]
        parts += [f"-- and {len(rest)} more: {', '.join(rest)}"]
    return "\n".join(parts)


def _conclude(results: list[Result], given: Mapping[str, str], say: Say) -> int:
    worst = max((result.exit_code for result in results if not result.ok), default=0)
    worst = worst or int(any(not result.ok for result in results))
    say("")
    # Suites of whole platforms look for servers in the user's environment.
    os.environ.update({name: value for name, value in given.items() if name in suites.SERVER_VARIABLES})
    for text in not_covered(results):
        say(f"Not covered: {text}")
    if missing := missing_rabbitmq(results):
        say(f"FAILED: ATOLL_REQUIRE_RABBITMQ is set, and {missing}")
        worst = worst or 1
    # Once more, where a log that keeps only its last lines shows them.
    for name, text in (failure for result in results for failure in result.failures[:QUOTED_TESTS]):
        errors = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
        say(f"FAILED: {name}: {next(iter(errors), 'see above')[:QUOTED_CHARACTERS]}")
    passed, failed, skipped = (
        sum(getattr(result, kind) for result in results) for kind in ("passed", "failed", "skipped")
    )
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return worst


def not_covered(results: list[Result]) -> list[str]:
    """Sentences for the parts that this run does not cover: absent servers, skipped tests."""
    from atoll.dev.servers import real_servers

    servers = {
        "RABBITMQ_URL": "journeys on RabbitMQ (nothing answers on port 5672, RABBITMQ_URL is not set)",
        "DATABASE_URL": "a PostgreSQL server (none on port 5432 lets us in, DATABASE_URL is not set)",
        "REDIS_URL": "a Redis server (none on port 6379 lets us in, REDIS_URL is not set)",
    }
    found = real_servers()
    sentences = [text for name, text in servers.items() if name not in found]
    reasons = Counter((result.suite.name, reason) for result in results for reason in result.skips)
    for (suite, reason), count in reasons.items():
        sentences.append(f"{count} test{'s' if count > 1 else ''} of {suite}: {reason}")
    empty = [result.suite.name for result in results if not (result.passed + result.failed + result.skipped)]
    return sentences + [f"{name}: it has no tests" for name in empty]


def missing_rabbitmq(results: list[Result]) -> str:
    """The reason why the journeys did not run on RabbitMQ although ATOLL_REQUIRE_RABBITMQ asks for it."""
    if not conf.flag("ATOLL_REQUIRE_RABBITMQ"):
        return ""
    journeys = [result for result in results if result.suite.name == "journeys"]
    if not journeys:
        return "the journeys were not among the suites."
    if not any("rabbitmq" in name for name in journeys[0].passed_names):
        return "no journey passed on RabbitMQ."
    return ""


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def without_servers() -> None:
    """Remove the variables that name real servers from this process, so that it uses embedded engines."""
    for name in list(os.environ):
        if name.endswith(suites.SERVER_VARIABLES):
            del os.environ[name]
