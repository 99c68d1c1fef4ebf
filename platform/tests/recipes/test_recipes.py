"""The recipes of docs/recipes as they are written: their files make a project, whose check and tests pass.

add-the-bus.md has commands, and a suite of its own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[3] / "docs" / "recipes"
FILES_ONLY = ("saga.md", "join-two-events.md", "rename-a-handler.md", "expand-and-contract.md")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"# ([\w/]+\.py)(: at its end)?\n")
TIMEOUT_S = 110

SETTINGS = """
import os
from stockproject.settings import *

del ATOLL_PROJECT, ATOLL_SERVICE
ATOLL = {"SERVICE": "shop", "BROKER_URL": "amqp://guest:guest@127.0.0.1:5672//"}
ROOT_URLCONF = "shop.urls"
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"] + "_recipe_" + os.environ["RECIPE"]}
"""
URLS = "from stockproject.urls import urlpatterns\n"


def blocks(recipe: str) -> Iterator[tuple[str, bool, str]]:
    """Each file of a recipe: its place, whether the text is added to it, and the text."""
    for block in BLOCK.findall((RECIPES / recipe).read_text()):
        place = PLACE.match(block)
        assert place, f"{recipe}: a block does not name its file in its first line:\n{block}"
        yield place[1], bool(place[2]), block


def write(recipe: str, folder: Path) -> list[str]:
    """Write the project. Returns the names of its apps. A file that comes twice is its last form."""
    texts = {"shop/settings.py": SETTINGS, "shop/urls.py": URLS}
    for place, is_added, text in blocks(recipe):
        texts[place] = texts[place] + text if is_added else text
    for place, text in texts.items():
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return sorted({place.partition("/")[0] for place in texts} - {"shop"})


def run(folder: Path, *command: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("ATOLL_ROOT", "ATOLL_PROJECT")}
    tests = Path(__file__).resolve().parents[1]
    env = kept | {
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "PYTHONPATH": os.pathsep.join(map(str, (folder, tests, tests.parent))),
        "RECIPE": folder.name.replace("-", "_"),
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("recipe", FILES_ONLY)
def test_the_recipe_works_as_written(recipe, tmp_path):
    folder = tmp_path / Path(recipe).stem
    folder.mkdir()
    apps = write(recipe, folder)

    assert "no issues" in run(folder, "django", "check")
    run(folder, "django", "makemigrations", *apps)
    told = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *apps)

    expected = sum(text.count("\ndef test_") for _, _, text in blocks(recipe))
    passed = re.search(r"(\d+) passed", told)
    assert passed and int(passed[1]) >= expected > 0, told
    assert "failed" not in told and "skipped" not in told


def test_every_recipe_is_run():
    assert {path.name for path in RECIPES.glob("*.md")} - {"add-the-bus.md"} == set(FILES_ONLY)


def test_the_counterexample_in_the_recipe_is_the_one_that_the_proof_prints(tmp_path):
    """The text of the page is the beginning of the error."""
    folder = tmp_path / "counterexample"
    folder.mkdir()
    write("saga.md", folder)
    shown = re.search(r"^```text\n(.*?)^```$", (RECIPES / "saga.md").read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    proof = folder / "bookings" / "test_proof.py"
    proof.write_text(
        proof.read_text().replace("    assert len(found.value.trace) == 4", "    print(found.value)")
    )

    told = run(folder, "pytest", "-q", "-s", "-k", "forgets", "-p", "no:cacheprovider", "bookings")

    assert shown[1].strip() in told
