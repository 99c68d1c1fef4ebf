"""A service whose instances do what the test says, and time that passes when it is told to."""

from dataclasses import dataclass, field
from typing import Any

from atoll.client import Retry, RoundRobin, ServiceClient
from atoll.client.breaker import Breaker
from atoll.client.budget import Budget
from atoll.client.failures import NoReply, NotSent, TimedOut
from atoll.client.pool import Pool
from atoll.client.transport import Raw
from atoll.discovery.instances import Instance

OK = Raw(200, {"Content-Type": "application/json"}, b'{"ok": true}')


def answer(status: int, **headers: str) -> Raw:
    return Raw(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"{}")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Sent:
    host: str
    method: str
    headers: dict[str, str]
    timeout_s: float
    body: bytes | None


@dataclass
class World:
    """``script`` maps a host to what its next requests get, the last one for ever."""

    script: dict[str, list[Any]]
    sent: list[Sent] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    took_s: float = 0.0

    def __post_init__(self) -> None:
        self.instances = [Instance(f"id-{host}", host, 8000) for host in self.script]
        self.pool = Pool(
            self,  # type: ignore[arg-type]
            make_breaker=lambda: Breaker(clock=self.clock),
            make_budget=lambda: Budget(self.clock),
        )

    def client(self, **options: Any) -> ServiceClient:
        defaults: dict[str, Any] = {
            "strategy": RoundRobin(),
            "retry": Retry(draw=lambda low, high: high),
            "pool": self.pool,
            "resolve": lambda service: self.instances,
            "clock": self.clock,
            "sleep": self.clock.sleep,
        }
        return ServiceClient("user-service", **(defaults | options))

    def send(self, method: str, url: str, *, params: Any, headers: Any, body: Any, timeout_s: float) -> Raw:
        host = url.split("//")[1].split(":")[0]
        self.sent.append(Sent(host, method, dict(headers), timeout_s, body))
        self.clock.sleep(self.took_s)
        steps = self.script[host]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if isinstance(step, type) and issubclass(step, TimedOut):
            self.clock.sleep(timeout_s)
        if isinstance(step, type):
            raise step("as the test says")
        return step  # type: ignore[no-any-return]

    @property
    def hosts(self) -> list[str]:
        return [sent.host for sent in self.sent]


__all__ = ["OK", "Clock", "NoReply", "NotSent", "Raw", "Sent", "TimedOut", "World", "answer"]
