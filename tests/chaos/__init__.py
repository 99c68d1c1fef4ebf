"""Proof under faults: orders are placed while everything they need is killed, cut and lied to.

``python -m tests.chaos`` is traffic and nemesis, ``python -m tests.chaos.check`` the checker,
a program of its own that reads the databases with its own SQL.
"""
