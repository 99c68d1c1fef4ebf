"""The same rooms in every service (docs/map.md), and what each room may hold."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = tomllib.loads((ROOT / "projects.toml").read_text())
SERVICES = sorted(row["package"] for row in PROJECTS.values() if row["package"].startswith("services."))
ROOMS = {
    "__init__.py", "admin.py", "admin", "api", "apps.py", "celery.py", "clients.py", "errors.py", "events.py",
    "handlers.py", "management", "managers.py", "migrations", "models.py", "pyproject.toml", "selectors.py",
    "settings.py", "static", "templates", "tests", "urls.py", "usecases", "wsgi.py",
}  # fmt: skip
# A database engine is looked for under this name.
NAMED_BY_DJANGO = {Path("platform/atoll/postgresql/base.py")}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "shared"}


def folder(package: str) -> Path:
    return ROOT / package.replace(".", "/")


def imports(path: Path) -> set[str]:
    """Every dotted name a file imports, relative ones resolved against its package."""
    names: set[str] = set()
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.add(module)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("package", [row["package"] for row in PROJECTS.values()])
def test_every_project_asks_its_api_and_admin_what_all_of_them_keep(package: str):
    doors = folder(package) / "tests" / "test_doors.py"
    assert doors.is_file(), (
        f"{doors.relative_to(ROOT)}: subclass ApiDoors and AdminDoors of atoll.testing in it."
    )
    bases = {
        base.id
        for node in ast.walk(ast.parse(doors.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
        for base in node.bases
        if isinstance(base, ast.Name)
    }
    assert bases >= {"ApiDoors", "AdminDoors"}


def python_files() -> list[Path]:
    tops = ("platform", "services", "gateway", "registry", "demo", "bench", "tests")
    return [path for top in tops for path in (ROOT / top).rglob("*.py") if "migrations" not in path.parts]


@pytest.mark.parametrize("package", SERVICES)
def test_a_room_of_its_own_holds_the_domain_and_nothing_of_http_or_the_broker(package: str):
    """Beside the common rooms a service may name its own ideas: ``course.py``, ``provider/``."""
    for entry in folder(package).iterdir():
        if entry.name in ROOMS or entry.name.startswith((".", "__")):
            continue
        for path in [entry] if entry.is_file() else entry.rglob("*.py"):
            strange = {
                name
                for name in imports(path)
                if name.split(".")[0] in {"celery", "kombu", "amqp", "requests"}
            }
            strange |= {
                name for name in imports(path) if name.startswith((f"{package}.api", "rest_framework."))
            }
            assert not strange, f"{path.relative_to(ROOT)} imports {sorted(strange)}: see docs/map.md."


@pytest.mark.parametrize("package", SERVICES)
def test_events_are_plain_dataclasses(package: str):
    allowed = {"dataclasses", "datetime", "decimal", "typing", "uuid", "enum", "__future__"}
    used = {name.split(".")[0] for name in imports(folder(package) / "events.py")}
    assert used <= allowed, f"{package}.events may only name facts; it imports {sorted(used - allowed)}."


@pytest.mark.parametrize("package", SERVICES)
def test_use_cases_know_no_http_and_no_task_queue(package: str):
    for path in (folder(package) / "usecases").rglob("*.py"):
        forbidden = {
            name
            for name in imports(path)
            if name.split(".")[0] in {"celery", "kombu", "rest_framework", "requests"}
            or name.startswith(("django.http", f"{package}.api", "atoll.api"))
        }
        assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}."


@pytest.mark.parametrize("package", SERVICES)
def test_selectors_and_handlers_do_not_send_requests(package: str):
    for room in ("selectors.py", "handlers.py"):
        path = folder(package) / room
        if path.exists():
            forbidden = {
                name for name in imports(path) if name.split(".")[0] in {"requests", "rest_framework"}
            }
            assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}."


@pytest.mark.parametrize("package", SERVICES)
def test_only_clients_ask_other_services(package: str):
    for path in folder(package).rglob("*.py"):
        if path.name == "clients.py" or "tests" in path.parts or "clients" in path.parts:
            continue
        asked = {name for name in imports(path) if name.startswith("atoll.client")}
        assert not asked, f"{path.relative_to(ROOT)} uses {sorted(asked)}: that belongs in clients.py."


def test_no_module_has_a_vague_name():
    vague = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if (path.stem in VAGUE or path.parent.name in VAGUE) and path.relative_to(ROOT) not in NAMED_BY_DJANGO
    ]
    assert not vague, f"Name these for what they hold: {vague}"


def test_no_settings_module_stars_in_another():
    for path in ROOT.glob("**/settings.py"):
        if ".venv" in path.parts or ".atoll" in path.parts:
            continue
        assert "import *" not in path.read_text(), f"{path.relative_to(ROOT)}: name the values you want."


def test_nothing_sleeps_for_a_fixed_time_in_tests():
    for path in python_files():
        if "tests" not in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "time.sleep",
                "sleep",
                "asyncio.sleep",
            }:
                argument = ast.unparse(node.args[0]) if node.args else ""
                assert not argument.replace(".", "").isdigit() or float(argument) <= 0.1, (
                    f"{path.relative_to(ROOT)}:{node.lineno} sleeps {argument} s: wait for a condition."
                )


def test_requests_stay_outside_transactions():
    for path in ROOT.glob("**/settings.py"):
        if ".venv" not in path.parts:
            assert "ATOMIC_REQUESTS" not in path.read_text()
