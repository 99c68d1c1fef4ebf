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


PEOPLE = """
from datetime import timedelta

import pytest
from bookings.models import Booking
from bookings.process import booking
from django.contrib.auth.models import Permission, User


@pytest.fixture
def failed(atoll_bus):
    row = booking.begin(Booking(guest="Ada"))
    booking.hear(row.pk, "cancel.requested", reason="changed my mind")
    atoll_bus.advance(timedelta(minutes=16))
    return Booking.objects.get(pk=row.pk, needs_attention=True)


def test_staff_settle_a_failed_compensation_with_a_reason(client, admin_user, failed):
    client.force_login(admin_user)
    page = client.get(f"/admin/bookings/booking/{failed.pk}/change/").content.decode()
    settle = f"/admin/bookings/booking/{failed.pk}/settle/free.room/"
    assert f'<a href="{settle}">free.room' in page

    assert "It is not sent again" in client.get(settle).content.decode()
    assert client.post(settle, {"reason": " "}).status_code == 200
    assert Booking.objects.get().needs_attention
    answer = client.post(settle, {"reason": "The hotel freed it on the phone."}, follow=True)

    assert "The compensation free.room is settled." in answer.content.decode()
    row = Booking.objects.get()
    assert not row.needs_attention
    assert row.compensations["free.room"]["state"] == "settled"
    last = row.history.last()
    assert (last.actor, last.reason) == (f"staff:{admin_user.pk}", "The hotel freed it on the phone.")
    again = client.get(settle, follow=True).content.decode()
    assert "The compensation free.room has not failed." in again and f'href="{settle}"' not in again


def test_only_staff_who_may_change_the_row_settle_and_nobody_adds_one(client, admin_user, failed):
    viewer = User.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_booking"))
    client.force_login(viewer)
    settle = f"/admin/bookings/booking/{failed.pk}/settle/free.room/"
    assert client.post(settle, {"reason": "x"}).status_code == 403
    client.force_login(admin_user)
    assert client.get("/admin/bookings/booking/add/").status_code == 403
    assert client.get("/admin/bookings/booking/999/settle/free.room/").status_code == 404
    assert client.get(f"/admin/bookings/booking/{failed.pk}/settle/no.such/", follow=True).status_code == 200
"""


def test_people_settle_by_hand_in_the_admin_of_the_recipe(tmp_path):
    folder = tmp_path / "people"
    folder.mkdir()
    write("saga.md", folder)
    (folder / "bookings" / "test_people.py").write_text(PEOPLE)
    run(folder, "django", "makemigrations", "bookings")

    told = run(folder, "pytest", "-q", "-p", "no:cacheprovider", "bookings/test_people.py")

    assert "2 passed" in told


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
