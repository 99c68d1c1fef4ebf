"""Tests under faults: customers place orders while a nemesis kills, cuts and delays the platform's parts.

``python -m tests.chaos`` runs customers and nemesis. ``python -m tests.chaos.check`` is the
checker, a separate program that reads the databases with its own SQL.
"""
