"""Service discovery: ``resolve("user-service")`` gives the instances of a service."""

from typing import TYPE_CHECKING

from atoll.late import late

if TYPE_CHECKING:
    from atoll.discovery.cache import Discovery
    from atoll.discovery.instances import Instance
    from atoll.discovery.registry import RegistryClient
    from atoll.discovery.resolving import age_s, discovery, resolve

__all__ = ["Discovery", "Instance", "RegistryClient", "age_s", "discovery", "resolve"]

__getattr__ = late(
    __name__,
    {
        "cache": ("Discovery",),
        "instances": ("Instance",),
        "registry": ("RegistryClient",),
        "resolving": ("age_s", "discovery", "resolve"),
    },
)
