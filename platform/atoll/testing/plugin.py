"""Fixtures that every suite on Atoll gets by itself."""

pytest_plugins = ["atoll.testing.tokens"]
