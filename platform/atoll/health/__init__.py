"""Health: whether this instance is alive, and whether it is ready for traffic.

``checks`` needs Django. ``statuses`` does not, so the gateway's edge reads it without Django's memory.
"""
