"""The README's commands on bare Debian systems: ``make test-fresh``."""
