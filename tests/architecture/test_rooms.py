"""Rules for the code of every project (docs/map.md)."""

import ast
import tomllib
from pathlib import Path

import pytest

from tests.architecture.room_rules import imports

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = tomllib.loads((ROOT / "projects.toml").read_text())
SERVICES = sorted(row["package"] for row in PROJECTS.values() if row["package"].startswith("services."))
# A database engine is looked for under this name.
NAMED_BY_DJANGO = {Path("platform/atoll/postgresql/base.py")}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "shared"}


def folder(package: str) -> Path:
    return ROOT / package.replace(".", "/")


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
    tops = ("platform", "services", "gateway", "registry", "demo", "load", "bench", "tests")
    return [path for top in tops for path in (ROOT / top).rglob("*.py") if "migrations" not in path.parts]


@pytest.mark.parametrize("package", SERVICES)
def test_only_clients_ask_other_services(package: str):
    for path in folder(package).rglob("*.py"):
        if path.name == "clients.py" or "tests" in path.parts or "clients" in path.parts:
            continue
        names = imports(ast.parse(path.read_text()), list(path.relative_to(ROOT).parts[:-1]))
        asked = {name for name in names if name.startswith("atoll.client")}
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
