"""Runs a supervisor through a scenario of a test."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from atoll.dev.process import Spec
from atoll.dev.supervisor import Supervisor

Build = Callable[..., Spec]


DEADLINE_S = 40.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


def run(scenario: Callable[[Supervisor], Awaitable[None]], supervisor: Supervisor) -> None:
    async def whole() -> None:
        await supervisor.open()
        try:
            await scenario(supervisor)
        finally:
            await supervisor.stop()

    asyncio.run(whole())


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
