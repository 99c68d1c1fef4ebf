"""``serve`` in a project of its own: no projects.toml, no registry, and no packages of other extras."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from atoll.dev import ports
from atoll.testing.running import eventually
from server.running import REPOSITORY, create_database, drop_database, url_of

pytestmark = pytest.mark.django_db(transaction=True)

DATABASE = "test_serve_alone"
SETTINGS = """
import sys

# As where the extras `admin` and `identity` are not installed.
sys.modules |= dict.fromkeys(("unfold", "jwt", "redis", "django_ratelimit"))
from stockproject.settings import *

del ATOLL_PROJECT, ATOLL_SERVICE
ATOLL = {"SERVICE": "shop", "BROKER_URL": "amqp://guest:guest@127.0.0.1:5672//", "DRAIN_LINGER_S": 0}
INSTALLED_APPS += ["atoll.server", "atoll.health", "rest_framework"]
ROOT_URLCONF = "pages"
WSGI_APPLICATION = "deployed.site"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"shown": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["shown"], "level": "INFO"},
}
"""
APPLICATION = "from django.core.wsgi import get_wsgi_application\n\nsite = get_wsgi_application()\n"
PAGES = {
    "health by platform_urls": (
        "from atoll.urls import platform_urls\n\nurlpatterns = platform_urls([])\n",
        200,
    ),
    "pages without health": (
        "from django.contrib import admin\nfrom django.urls import path\n\n"
        'urlpatterns = [path("admin/", admin.site.urls)]\n',
        404,
    ),
}


@pytest.fixture
def database(transactional_db: None) -> Iterator[str]:
    create_database(DATABASE)
    yield url_of(DATABASE)
    drop_database(DATABASE)


@pytest.mark.parametrize(("pages", "live"), PAGES.values(), ids=list(PAGES))
def test_it_serves_without_a_registry_and_its_secret(pages: str, live: int, database: str, tmp_path: Path):
    for name, text in {"alone.py": SETTINGS, "deployed.py": APPLICATION, "pages.py": pages}.items():
        (tmp_path / name).write_text(text)
    left_out = ("ATOLL_", "REGISTRY_", "LIBRARY_", "SERVICE_SECRET")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    folders = (tmp_path, REPOSITORY / "platform", REPOSITORY / "platform" / "tests")
    port = ports.free()
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "django", "serve", "--port", str(port)],
            cwd=tmp_path,
            env=kept
            | {
                "PYTHONPATH": os.pathsep.join(map(str, folders)),
                "DJANGO_SETTINGS_MODULE": "alone",
                "ATOLL_TEST_DATABASE_URL": database,
                "ATOLL_HOME": str(tmp_path),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(
            lambda: server.poll() is not None or "ready: http://" in log.read_text(),
            timeout_s=60,
            what="a server",
        )
        assert server.poll() is None, log.read_text()
        site = f"http://127.0.0.1:{port}"
        assert requests.get(f"{site}/health/live", timeout=10).status_code == live
        assert "Django" in requests.get(f"{site}/admin/login/", timeout=10).text
        server.terminate()
        assert server.wait(30) == 0
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
