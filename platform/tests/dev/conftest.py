"""Small real processes for the supervisor to run."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from atoll.dev.process import Kind, Spec

# Says it is ready, then serves until told to stop, and notes that it was asked nicely.
SERVICE = """
import os, pathlib, signal, subprocess, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def stop(*_):
    with open(folder / "stopped", "a") as file: file.write(name + "\\n")
    # Its successor is ready when it says so itself.
    (folder / (name + ".ready")).unlink(missing_ok=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / (name + ".helper")).write_text(str(helper.pid))
with open(folder / "started", "a") as file: file.write(name + "\\n")
(folder / (name + ".ready")).write_text("ready")
while True: time.sleep(600)
"""


@pytest.fixture
def service(tmp_path: Path) -> Callable[..., Spec]:
    def build(name: str, *, stubborn: bool = False, **more: object) -> Spec:
        script = SERVICE.replace("sys.exit(0)", "pass") if stubborn else SERVICE
        ready = tmp_path / f"{name}.ready"

        async def probe() -> bool:
            return ready.exists()

        options = {"kind": Kind.WEB, "probe": probe, "stop_signal": signal.SIGTERM} | more
        return Spec(
            name=name,
            argv=(sys.executable, "-c", script, str(tmp_path), name),
            python=False,
            log=tmp_path / f"{name}.log",
            **options,  # type: ignore[arg-type]
        )

    return build


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    after = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    for process in after:
        process.kill()
    assert after == []
