"""The settings of the edge, read once from the environment when it starts."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from atoll import conf
from atoll.addresses import Network, networks

METRICS_NETWORKS = "127.0.0.0/8,::1/128"
PROJECT = "gateway"


@dataclass(frozen=True)
class EdgeConfig:
    """``home`` is the folder of the last good routing table, instances and token keys."""

    home: Path
    redis_url: str
    registry_url: str
    registry_credential: bytes = field(repr=False)
    trusted_proxies: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]
    rate_limits: bool = True

    @property
    def snapshot_path(self) -> Path:
        return self.home / "gateway" / "snapshot.json"

    @classmethod
    def from_environment(cls) -> "EdgeConfig":
        """Raises ImproperlyConfigured or ValueError for an invalid value.

        TRUSTED_PROXIES: networks of proxies that may set X-Forwarded-For, none by default.
        GATEWAY_METRICS_NETWORKS: networks that may read /metrics, loopback by default.
        GATEWAY_RATE_LIMITS=false turns limits off, for measuring.
        """
        service = conf.project(PROJECT).service
        credential = f"{service}:{conf.secret('SERVICE_SECRET', PROJECT)}".encode()
        return cls(
            home=conf.home(),
            redis_url=conf.redis_url(),
            registry_url=conf.registry_url(),
            registry_credential=b"Basic " + base64.b64encode(credential),
            trusted_proxies=networks(conf.variable("TRUSTED_PROXIES", PROJECT) or ""),
            metrics_networks=networks(conf.variable("METRICS_NETWORKS", PROJECT) or METRICS_NETWORKS),
            rate_limits=conf.flag("RATE_LIMITS", True, PROJECT),
        )
