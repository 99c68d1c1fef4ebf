"""Fixtures that every suite on Atoll gets by itself."""

import os
from importlib.util import find_spec

import pytest

from atoll import conf

# Its assertions explain themselves like those of any test.
pytest.register_assert_rewrite("atoll.testing.conformance")

pytest_plugins = ["atoll.testing.bus", "atoll.testing.old_names"]
# Tokens need the packages of the extra `identity`, and the bus does not.
if all(map(find_spec, ("jwt", "cryptography"))):
    pytest_plugins.append("atoll.testing.tokens")

# Django's test client opens every admin as http://testserver. Settings read it, and they are loaded early.
for name in ("library", *conf.projects()):
    os.environ.setdefault(conf.own_name("PUBLIC_URL", name), "http://testserver")
