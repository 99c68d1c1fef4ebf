"""Fixtures that every suite on Atoll gets by itself."""

import pytest

# Its assertions explain themselves like those of any test.
pytest.register_assert_rewrite("atoll.testing.conformance")

pytest_plugins = ["atoll.testing.bus", "atoll.testing.tokens"]
