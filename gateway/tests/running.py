"""Real edge processes, without their parent's control plane."""

import socket
import urllib.request
from pathlib import Path
from typing import Any

from atoll import conf
from gateway.edge_processes import EdgeProcesses
from gateway.tests.harness import NOWHERE, row, table


class Running:
    """Edge processes at one port, with their stored samples. ``product_port`` is product-service."""

    def __init__(
        self,
        home: Path,
        product_port: int,
        count: int,
        listeners: list[socket.socket],
        *routes: dict[str, Any],
        **variables: str,
    ) -> None:
        self.port = listeners[0].getsockname()[1]
        self.listeners = listeners
        self.stored: list[list[Any]] = []
        self.processes = EdgeProcesses(
            count,
            listeners,
            variables={
                "ATOLL_HOME": str(home),
                "GATEWAY_SERVICE_SECRET": "a-secret-of-the-gateway-that-is-long-enough",
                "REDIS_URL": conf.redis_url(),
                "REGISTRY_URL": NOWHERE,
                "USER_SERVICE_URL": NOWHERE,
                "ORDER_SERVICE_URL": NOWHERE,
                "PRODUCT_SERVICE_URL": f"http://127.0.0.1:{product_port}",
                "LOG_FORMAT": "json",
                **variables,
            },
            store=self.stored.extend,
            note_keys=lambda used: None,
        )
        self.processes.publish(table(*routes or [row("open", "/open")]))
        self.processes.start()

    def get(self, path: str = "/open/x") -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            answer.read()
            return int(answer.status)

    def answers(self) -> bool:
        try:
            return self.get() == 200
        except OSError:
            return False

    def pids(self) -> set[int]:
        return {edge.process.pid for edge in self.processes._edges.values()}
