"""Atoll: a microservices platform for Django teams.

The public face is the modules themselves (``atoll.bus``, ``atoll.client``, ...);
docs/map.md says which of them a line of code belongs in.
"""

__version__ = "0.1.0"
