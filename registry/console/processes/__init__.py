"""The processes of a developer's machine: their state, restart, stop and start."""
