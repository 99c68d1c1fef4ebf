"""Somebody who follows a recipe on a bare machine: an empty folder, and an environment without Atoll."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.standalone.recipe import Commands, File, Step

ROOT = Path(__file__).resolve().parents[2]
# What a person's shell has; nothing of this repository, its virtual environment or its tests.
KEPT = (
    *("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "no_proxy"),
)
COMMAND_TIMEOUT_S = 240.0
SHOWN_WITHIN_S = 30.0
LOOK_EVERY_S = 0.5
STOP_TIMEOUT_S = 20.0


class Reader:
    """``follow`` does a step as the document says. ``port`` is where ``runserver`` listens."""

    def __init__(self, folder: Path, variables: Mapping[str, str], port: int) -> None:
        self.folder = folder
        self.port = port
        self._variables = dict(variables)
        self._terminals: list[tuple[subprocess.Popen[bytes], Path]] = []

    def follow(self, step: Step) -> None:
        """Raises AssertionError with the line of the document and what was shown in place of the expected."""
        if isinstance(step, File):
            self._write(step)
        elif step.stays:
            self._open_terminal(step)
        elif step.shown is None:
            self.run(step)
        else:
            self._expect(step, step.shown)

    def run(self, commands: Commands) -> str:
        done = subprocess.run(
            ["bash", "-euc", self._in_environment(commands.text)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, (
            f"line {commands.line} exits with {done.returncode}:\n{commands.text}{done.stdout}{done.stderr}"
        )
        return done.stdout.strip()

    @property
    def environment(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in KEPT if name in os.environ}
        given |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        # The Python that these tests run on, without their virtual environment.
        programs = [str(Path(sys.base_prefix) / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]
        return given | {"PATH": os.pathsep.join(programs), "PYTHONUNBUFFERED": "1"} | self._variables

    def close(self) -> None:
        for terminal, _ in self._terminals:
            if terminal.poll() is None:
                os.killpg(terminal.pid, signal.SIGTERM)
        for terminal, _ in self._terminals:
            try:
                terminal.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(terminal.pid, signal.SIGKILL)
                terminal.wait()

    def wait(self, condition: Callable[[], bool], problem: Callable[[], str]) -> None:
        """Until the condition holds. Raises AssertionError when it does not, or when a terminal has ended."""
        end = time.monotonic() + SHOWN_WITHIN_S
        while not condition():
            for terminal, output in self._terminals:
                assert terminal.poll() is None, f"{output.name} has ended:\n{output.read_text()[-3000:]}"
            assert time.monotonic() < end, f"{problem()}\n{self.terminals()}"
            time.sleep(LOOK_EVERY_S)

    def terminals(self) -> str:
        """What the commands that were left running have shown."""
        return "\n".join(f"--- {output.name}\n{output.read_text()[-3000:]}" for _, output in self._terminals)

    def _write(self, file: File) -> None:
        place = self.folder / file.place
        if file.is_added:
            with place.open("a") as opened:
                opened.write(f"\n{file.text}")
        else:
            place.write_text(file.text)

    def _open_terminal(self, commands: Commands) -> None:
        # Another program may have the port of the document.
        text = re.sub(r"(runserver .*?)8000\b", rf"\g<1>{self.port}", commands.text)
        output = self.folder / f"terminal-{len(self._terminals) + 2}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-euc", self._in_environment(text)],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._terminals.append((process, output))

    def _expect(self, commands: Commands, shown: str) -> None:
        found = ""

        def is_shown() -> bool:
            nonlocal found
            found = self.run(commands)
            return found == shown

        self.wait(is_shown, lambda: f"line {commands.line} shows\n{found}\nand not\n{shown}")

    def _in_environment(self, commands: str) -> str:
        """A terminal stays in the virtual environment that one of its commands made."""
        return f"if [ -e .venv/bin/activate ]; then . .venv/bin/activate; fi\n{commands}"


def copy_of_the_platform(folder: Path) -> Path:
    """A clone's ``platform``, with the files that git knows or would take: building writes beside them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "platform", "LICENSE"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
