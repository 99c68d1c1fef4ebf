"""Test kit for services built on Atoll."""
