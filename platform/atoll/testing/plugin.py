"""Fixtures that every suite on Atoll gets by itself."""

pytest_plugins = ["atoll.testing.bus", "atoll.testing.tokens"]
