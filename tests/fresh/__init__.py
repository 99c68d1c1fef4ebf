"""Bare Debian systems, and the README's commands in them: ``make test-fresh``."""
