"""The settings of the edge, read once from the environment when it starts."""

import base64
from dataclasses import dataclass, field
from pathlib import Path

from atoll import conf
from atoll.addresses import Network, networks
from atoll.identity.foreign.outside import Rules
from gateway.edge.http.door import Limits

LOOPBACK = "127.0.0.0/8,::1/128"
PROJECT = "gateway"


def issuer_rules() -> Rules:
    """Where the keys of issuers may be fetched from. Raises ValueError for an invalid network."""
    return Rules(
        networks=networks(conf.variable("ISSUER_NETWORKS", PROJECT) or ""),
        allow_http=conf.environment() != "production",
    )


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
    issuer_rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    admin_networks: tuple[Network, ...] = ()
    control_url: str = ""
    leads_to_console: bool = False
    access_log: bool = True
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @property
    def snapshot_path(self) -> Path:
        return self.home / "gateway" / "snapshot.json"

    @classmethod
    def from_environment(cls) -> "EdgeConfig":
        """Raises ImproperlyConfigured or ValueError for an invalid value.

        TRUSTED_PROXIES: networks of proxies that may set X-Forwarded-For, none by default.
        GATEWAY_METRICS_NETWORKS: networks that may read /metrics, loopback by default.
        GATEWAY_ISSUER_NETWORKS: networks that are not public and may have issuers of tokens, none by default.
        GATEWAY_ADMIN_NETWORKS: networks that may reach /admin and /console, loopback by
            default.
        GATEWAY_RATE_LIMITS=false and GATEWAY_ACCESS_LOG=false turn limits and the access log off.
        GATEWAY_CONNECTIONS, GATEWAY_CONNECTIONS_PER_ADDRESS: connections of clients, of one process.
        GATEWAY_TLS_CERTIFICATE, GATEWAY_TLS_KEY: PEM files; with them the gateway speaks HTTPS.
        GATEWAY_CONTROL_URL: the control process; `gateway serve` sets it.
        """
        service = conf.project(PROJECT).service
        credential = f"{service}:{conf.secret('SERVICE_SECRET', PROJECT)}".encode()
        return cls(
            home=conf.home(),
            redis_url=conf.redis_url(),
            registry_url=conf.registry_url(),
            registry_credential=b"Basic " + base64.b64encode(credential),
            trusted_proxies=networks(conf.variable("TRUSTED_PROXIES", PROJECT) or ""),
            metrics_networks=networks(conf.variable("METRICS_NETWORKS", PROJECT) or LOOPBACK),
            rate_limits=conf.flag("RATE_LIMITS", True, PROJECT),
            issuer_rules=issuer_rules(),
            limits=Limits(
                connections=conf.whole_number("CONNECTIONS", Limits.connections, PROJECT),
                connections_per_address=conf.whole_number(
                    "CONNECTIONS_PER_ADDRESS", Limits.connections_per_address, PROJECT
                ),
            ),
            admin_networks=networks(conf.variable("ADMIN_NETWORKS", PROJECT) or LOOPBACK),
            control_url=conf.variable("CONTROL_URL", PROJECT) or "",
            leads_to_console=conf.environment() == "development",
            access_log=conf.flag("ACCESS_LOG", True, PROJECT),
            tls_certificate=_path("TLS_CERTIFICATE"),
            tls_key=_path("TLS_KEY"),
        )


def _path(name: str) -> Path | None:
    value = conf.variable(name, PROJECT)
    return Path(value) if value else None
