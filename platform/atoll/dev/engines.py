"""The embedded engines of this clone, and their addresses for all processes (``engines.json``)."""

import json
from dataclasses import dataclass
from pathlib import Path

from atoll import conf, privatefile
from atoll.dev import postgres, probes, valkey
from atoll.dev.postgres import Postgres
from atoll.dev.process import Kind, Spec
from atoll.dev.valkey import BROKER_DATABASE, CACHE_DATABASE, Valkey

STOP_STAGE = 9


@dataclass(frozen=True)
class Engines:
    """The embedded engines of one home; None where a real server replaces one."""

    postgres: Postgres | None
    valkey: Valkey | None
    broker_is_embedded: bool

    def specs(self, logs: Path) -> list[Spec]:
        found = []
        if self.postgres:
            found.append(
                Spec(
                    name="postgres",
                    kind=Kind.ENGINE,
                    argv=self.postgres.argv,
                    python=False,
                    account=self.postgres.account,
                    probe=probes.postgres(self.postgres),
                    port=self.postgres.port,
                    stop_signal=postgres.FAST_SHUTDOWN,
                    stop_stage=STOP_STAGE,
                    log=logs / "postgres.log",
                )
            )
        if self.valkey:
            found.append(
                Spec(
                    name="valkey",
                    kind=Kind.ENGINE,
                    argv=self.valkey.argv,
                    python=False,
                    probe=probes.valkey(self.valkey),
                    port=self.valkey.port,
                    stop_stage=STOP_STAGE,
                    log=logs / "valkey.log",
                )
            )
        return found

    def publish(self, home: Path) -> None:
        """Write ``engines.json``. It holds passwords, so only its owner may read it."""
        addresses: dict[str, object] = {}
        if self.postgres:
            addresses["postgres"] = {"host": self.postgres.host, "port": self.postgres.port}
        if self.valkey:
            addresses["redis_url"] = self.valkey.url(CACHE_DATABASE)
            addresses["broker_url"] = self.valkey.url(BROKER_DATABASE)
        privatefile.write(home / "engines.json", json.dumps(addresses, indent=1))


def prepare(home: Path, *, durable: bool = True) -> Engines:
    """Set up each engine that no variable replaces. Starts nothing. Raises EngineError."""
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    needs_postgres = not all(conf.variable("DATABASE_URL", name) for name in conf.projects())
    needs_valkey = not (conf.variable("REDIS_URL") and conf.variable("RABBITMQ_URL"))
    engines = Engines(
        postgres=postgres.prepare(home, durable=durable) if needs_postgres else None,
        valkey=valkey.prepare(home) if needs_valkey else None,
        broker_is_embedded=not conf.variable("RABBITMQ_URL"),
    )
    engines.publish(home)
    return engines
