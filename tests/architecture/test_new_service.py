"""A service from ``new-service`` stands by itself: checked and tested without touching a file."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from atoll.cli import new_service
from atoll.cli.new_service import words

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".atoll", ".git", "__pycache__", ".*_cache", "node_modules", "*.egg-info"
)


def run(copy: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ATOLL_", "DJANGO_"))
    }
    inherited = {name: value for name, value in inherited.items() if not name.endswith("_URL")}
    return subprocess.run(
        command,
        cwd=copy,
        env=inherited | {"PYTHONPATH": f"{copy / 'platform'}:{copy}"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def free(*names: str) -> str:
    """The first that this repository does not have yet: a reader may have followed the README."""
    return next(name for name in names if not (ROOT / "services" / name.replace("-", "_")).exists())


# The README's own example, a name of two words, and one without a plural.
MADE = [free("reviews", "ratings"), free("order-items", "price-lists"), free("news", "weather")]
FOLDERS = [f"services/{name.replace('-', '_')}" for name in MADE]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh clone would be, with new services in it."""
    place = tmp_path_factory.mktemp("clone") / "atoll"
    shutil.copytree(ROOT, place, ignore=LEFT_OUT)
    for name in MADE:
        # A platform that moved aside on this machine is no reason to write other ports.
        made = run(place, sys.executable, "manage.py", "new-service", name, ATOLL_PORT_OFFSET="3000")
        assert made.returncode == 0, made.stderr
    return place


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.mark.parametrize(
    "command",
    [
        (tool("ruff"), "format", "--check", *FOLDERS),
        (tool("ruff"), "check", *FOLDERS),
        (tool("lint-imports"),),
        *((sys.executable, "manage.py", "check-all", name) for name in (*MADE, "types", "messages")),
        (sys.executable, "-m", "pytest", "-q", "-c", "tests/pyproject.toml", "tests/architecture",
         f"--ignore={Path('tests/architecture') / Path(__file__).name}"),
        (sys.executable, "manage.py", "test", *MADE, "contracts"),
    ],
    ids=["format", "lint", "walls", *MADE, "types", "messages", "architecture", "suites"],
)  # fmt: skip
def test_a_new_service_passes_as_it_is(copy: Path, command: tuple[str, ...]):
    done = run(copy, *command)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_ports_follow_those_of_the_list_and_databases_are_named_after_one_of_what_is_kept(copy: Path):
    before = tomllib.loads((ROOT / "projects.toml").read_text())
    after = tomllib.loads((copy / "projects.toml").read_text())
    highest = max(row["port"] for row in before.values())
    assert [after[name]["port"] for name in MADE] == [highest + 1, highest + 2, highest + 3]
    assert {name: row for name, row in after.items() if name in before} == before
    assert [after[name]["database"] for name in MADE] == [
        f"{words.names(name).words['name']}_service_db" for name in MADE
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Reviews", "orders", "order", "tests", "x", "", "a-b-c", "re.views", "../evil", "revi\x1b[31mews",
        "class", "messages", "requests", "logs", "health", "orders-worker", "reviews" * 5, "é" * 5, "-x-",
        "123", "bus", "users",
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_is_refused_in_one_line_and_nothing_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    shutil.copy(ROOT / "projects.toml", tmp_path)
    (tmp_path / "services" / "orders").mkdir(parents=True)
    monkeypatch.setenv("ATOLL_ROOT", str(tmp_path))
    assert new_service.main(["--", name]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["orders", "projects.toml", "services"]


@pytest.mark.parametrize(
    ("given", "project", "one", "model"),
    [
        ("ratings", "ratings", "rating", "Rating"),
        ("rating", "rating", "rating", "Rating"),
        ("stock", "stock", "stock", "Stock"),
        ("news", "news", "news", "News"),
        ("price-list", "price-list", "price-list", "PriceList"),
        ("price lists", "price-lists", "price-list", "PriceList"),
        ("gift_cards", "gift-cards", "gift-card", "GiftCard"),
        ("addresses", "addresses", "address", "Address"),
        ("warehouses", "warehouses", "warehouse", "Warehouse"),
        ("statuses", "statuses", "status", "Status"),
        ("movies", "movies", "movie", "Movie"),
        ("categories", "categories", "category", "Category"),
        ("people", "people", "person", "Person"),
        ("prices", "prices", "price", "Price"),
        ("analytics", "analytics", "analytics", "Analytics"),
        ("boxes", "boxes", "box", "Box"),
    ],
)
def test_singular_uncountable_and_two_word_names_are_taken(given: str, project: str, one: str, model: str):
    made = words.names(given)
    assert (made.project, made.one, made.words["Name"]) == (project, one, model)
    assert made.service == f"{one}-service"
