"""Fixtures that every suite on Atoll gets by itself."""

import os

import pytest

from atoll import conf

# Its assertions explain themselves like those of any test.
pytest.register_assert_rewrite("atoll.testing.conformance")

pytest_plugins = ["atoll.testing.bus", "atoll.testing.tokens", "atoll.testing.old_names"]

# Django's test client opens every admin as http://testserver. Settings read it, and they are loaded early.
for name in ("library", *conf.projects()):
    os.environ.setdefault(conf.own_name("PUBLIC_URL", name), "http://testserver")
