"""A change of a project's code restarts the processes that run it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from atoll.dev import command, reloading
from atoll.dev import supervisor as supervisor_module
from atoll.dev.process import Spec, State
from atoll.dev.reloading import Reloader
from atoll.dev.supervisor import Supervisor

from .scenario import Build, lines, run, until

COMMON = (
    "All processes share what was loaded at the start: end the platform and start it again to use this "
    "change and later ones of this kind."
)
Scenario = Callable[[Supervisor, Reloader], Awaitable[None]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clone"
    for folder in ("registry", "gateway", "platform/atoll", "requirements"):
        (root / folder).mkdir(parents=True)
    for name in ("users", "products", "payments", "orders"):
        (root / "services" / name / "migrations").mkdir(parents=True)
    (root / "projects.toml").touch()
    return root


def told(clone: Path, specs: list[Spec], scenario: Scenario) -> list[str]:
    """The sentences of the reloader and of the supervisor in ``scenario``."""
    said: list[str] = []
    supervisor = Supervisor(specs, on_notice=lambda member, text: said.append(f"{member.name} {text}"))
    reloader = Reloader(supervisor, lambda text, style: said.append(text), root=clone)

    async def whole(_: Supervisor) -> None:
        await supervisor.ready()
        await scenario(supervisor, reloader)

    run(whole, supervisor)
    return said


async def newly_ready(supervisor: Supervisor, name: str, restarts: int = 1) -> None:
    member = supervisor.members[name]
    await until(lambda: member.restarts == restarts and member.state == State.READY)


def test_a_saved_file_restarts_the_processes_of_its_project_and_no_others(
    service: Build, clone: Path, tmp_path: Path
) -> None:
    async def scenario(supervisor: Supervisor, reloader: Reloader) -> None:
        before = {name: member.pid for name, member in supervisor.members.items()}
        watching = asyncio.create_task(reloader.watch())
        await asyncio.sleep(0)  # it waits for the first change when the kernel watches
        (clone / "new").write_text("first = True\n")
        (clone / "new").rename(clone / "services" / "orders" / "handlers.py")
        await newly_ready(supervisor, "orders")
        await newly_ready(supervisor, "orders-worker")
        watching.cancel()
        after = {name: member.pid for name, member in supervisor.members.items()}
        assert {name for name in before if before[name] != after[name]} == {"orders", "orders-worker"}

    names = ("orders", "orders-worker", "users", "users-worker")
    said = told(clone, [service(name) for name in names], scenario)

    sentence = "services/orders/handlers.py changed: orders, orders-worker start again"
    assert said == [sentence]
    assert sorted(lines(tmp_path / "stopped")[:2]) == ["orders", "orders-worker"]
    for name in ("orders", "orders-worker"):
        line = json.loads((tmp_path / f"{name}.log").read_text())
        assert (line["level"], line["service"], line["event"]) == ("info", "order-service", sentence)


def test_a_table_that_an_editor_replaces_is_noticed(service: Build, clone: Path) -> None:
    said: list[str] = []

    async def scenario() -> None:
        watching = asyncio.create_task(
            Reloader(Supervisor(), lambda text, _: said.append(text), clone).watch()
        )
        await asyncio.sleep(0)  # it waits for the first change when the kernel watches
        (clone / "new").write_text("[orders]\n")
        (clone / "new").rename(clone / "projects.toml")
        await until(lambda: bool(said))
        watching.cancel()

    asyncio.run(scenario())

    assert said == [f"projects.toml changed. {COMMON}"]


def test_many_changes_make_one_restart_for_each_project(service: Build, clone: Path, tmp_path: Path) -> None:
    async def scenario(supervisor: Supervisor, reloader: Reloader) -> None:
        orders, gateway = clone / "services" / "orders", clone / "gateway"
        reloader.take(
            [orders / "a.py", orders / "b.py", orders / "page.html", gateway / "edge.py", orders / "a.py"]
        )
        reloader.take([orders / "a.py"])  # before it has ended: no second signal in the drain
        await newly_ready(supervisor, "orders")
        await newly_ready(supervisor, "gateway")

    said = told(clone, [service("orders"), service("gateway")], scenario)

    assert said == [
        "gateway/edge.py changed: gateway starts again",
        "services/orders/a.py and 2 other files changed: orders starts again",
        "services/orders/a.py changed: orders starts again",
    ]
    assert sorted(lines(tmp_path / "stopped")) == ["gateway", "gateway", "orders", "orders"]


def test_code_that_every_process_shares_restarts_none_and_is_told_once(
    service: Build, clone: Path, tmp_path: Path
) -> None:
    async def scenario(supervisor: Supervisor, reloader: Reloader) -> None:
        reloader.take([clone / "platform" / "atoll" / "logs.py", clone / "requirements" / "base.txt"])
        reloader.take([clone / "projects.toml"])

    said = told(clone, [service("orders")], scenario)

    assert said == [f"platform/atoll/logs.py and 1 other file changed. {COMMON}"]
    assert lines(tmp_path / "started") == ["orders"]


@pytest.mark.parametrize(
    "path",
    [
        *("services/orders/__pycache__/handlers.cpython-311.pyc", "services/orders/.#handlers.py"),
        *("services/orders/handlers.py~", "services/orders/.handlers.py.swp", "services/orders/4913"),
        *(
            "services/orders/tests/test_orders.py",
            "services/orders/.cache/x.py",
            "services/orders/pyproject.toml",
        ),
        *("services/elsewhere/x.py", "docs/map.py", "manage.py"),
    ],
)
def test_files_that_no_process_reads_change_nothing(
    service: Build, clone: Path, tmp_path: Path, path: str
) -> None:
    said: list[str] = []
    Reloader(Supervisor(), lambda text, style: said.append(text), root=clone).take([clone / path])
    assert said == []


def test_migrations_and_routes_are_told_with_the_command_that_applies_them(
    service: Build, clone: Path
) -> None:
    async def scenario(supervisor: Supervisor, reloader: Reloader) -> None:
        reloader.take([clone / "services" / "orders" / "migrations" / "0002_note.py"])
        reloader.take([clone / "gateway" / "routes.toml"])

    said = told(clone, [service("orders"), service("gateway")], scenario)

    migrate, load = command.manage("orders migrate"), command.manage("gateway load_routes")
    assert said == [
        "services/orders/migrations/0002_note.py changed: orders starts again",
        f"Migrations of orders changed. Apply them with `{migrate}`.",
        "gateway/routes.toml changed: gateway starts again",
        f"routes.toml changed. Create the routes that are missing with `{load}`.",
    ]


def test_a_process_that_fails_after_a_change_waits_and_starts_at_once_at_the_next_change(
    service: Build, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the next change it would start after an hour."""
    monkeypatch.setattr(supervisor_module, "BACKOFF_S", (3600.0,))
    code = clone / "services" / "orders" / "views.py"
    code.write_text("")
    good = service("orders")
    read_first = f"exec(compile(open({str(code)!r}).read(), 'views.py', 'exec'))\n"
    argv = (good.argv[0], "-c", read_first + good.argv[2], *good.argv[3:])

    async def scenario(supervisor: Supervisor, reloader: Reloader) -> None:
        member = supervisor.members["orders"]
        (tmp_path / "orders.ready").unlink()
        code.write_text("def broken(:\n")
        reloader.take([code])
        await until(lambda: member.restarts == 2)
        code.write_text("")
        reloader.take([code])
        await until(lambda: member.state == State.READY)

    said = told(clone, [replace(good, argv=argv)], scenario)

    changed = "services/orders/views.py changed: orders starts again"
    failed = f"orders ended with exit code 1; starting again in 3600 s (log: {tmp_path / 'orders.log'})"
    assert said == [changed, failed, changed]
    assert "SyntaxError" in (tmp_path / "orders.log").read_text()


def test_a_process_that_a_person_has_stopped_stays_stopped(service: Build, clone: Path) -> None:
    said: list[str] = []

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        stopped.add("orders")
        Reloader(supervisor, lambda text, style: said.append(text), root=clone).take(
            [clone / "services" / "orders" / "views.py"]
        )
        assert supervisor.members["orders"].restarts == 0

    stopped: set[str] = set()
    run(scenario, Supervisor([service("orders")], is_stopped=stopped.__contains__))

    assert said == []


def test_a_process_that_does_not_end_for_a_change_is_killed(
    service: Build, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "CHANGED_KILL_AFTER_S", 0.2)
    monkeypatch.setattr(supervisor_module, "STOP_STAGES_S", (0.1, 0.2, 0.3))
    monkeypatch.setattr(supervisor_module, "KILL_AFTER_S", 0.4)

    async def scenario(supervisor: Supervisor, reloader: Reloader) -> None:
        reloader.take([clone / "services" / "orders" / "views.py"])
        await newly_ready(supervisor, "orders")

    said = told(clone, [service("orders", stubborn=True)], scenario)

    assert said == ["services/orders/views.py changed: orders starts again"]


def test_too_many_folders_are_not_watched(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "MAX_FOLDERS", 11)
    said: list[str] = []
    asyncio.run(Reloader(Supervisor(), lambda text, style: said.append(text), root=clone).watch())
    assert said == ["No file is watched: the projects have more than 11 folders."]


def test_a_kernel_that_watches_no_more_is_told(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(reloading, "awatch", refuse)
    said: list[str] = []
    asyncio.run(Reloader(Supervisor(), lambda text, style: said.append(text), root=clone).watch())
    assert said == ["Files are no longer watched (OS file watch limit reached.). Restart processes by hand."]
