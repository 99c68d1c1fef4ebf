"""The steps of a person on a new machine, each with its expected result."""

import os
import pwd
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fresh.terminal import CommandFailed, Terminal

SOURCE = "/srv/atoll.git"
INSTALL_TIMEOUT_S, START_TIMEOUT_S, DEMO_TIMEOUT_S, STOP_TIMEOUT_S, TEST_TIMEOUT_S = 900, 900, 120, 40, 3600
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
NAME = "atoll"


@dataclass
class Person:
    """A user ``account`` at work in its home. The home of root is closed to all others."""

    account: str
    variables: dict[str, str]
    say: Callable[[str], None]

    @property
    def clone(self) -> Path:
        return Path(pwd.getpwnam(self.account).pw_dir) / NAME

    def start(self, *command: str, offline: bool = False, aloud: bool = False) -> Terminal:
        return Terminal(
            self.account,
            list(command),
            str(self.clone if self.clone.exists() else self.clone.parent),
            self.variables,
            offline=offline,
            on_line=(lambda line: self.say(f"  | {line}")) if aloud else lambda line: None,
        )

    def run(self, *command: str, timeout_s: float) -> Terminal:
        """Run a command to its end. Raises when the command fails."""
        terminal = self.start(*command)
        code = terminal.read_to_the_end(timeout_s)
        if code:
            raise terminal.failure(f"ended with {code}")
        return terminal


def clone(person: Person, python: str) -> None:
    owner = pwd.getpwnam(person.account)
    for folder, _, files in os.walk(SOURCE):
        for name in (".", *files):
            os.chown(Path(folder, name), owner.pw_uid, owner.pw_gid)
    person.run("git", "clone", "--quiet", f"file://{SOURCE}", NAME, timeout_s=120)
    told = person.run("python3", "--version", timeout_s=10).output.strip()
    if not told.startswith(f"Python {python}."):
        raise CommandFailed(f"This system should have Python {python} and has {told}.")
    person.say(f"{person.account} cloned into {person.clone}; {told}")


def up(person: Person) -> None:
    """Run the two commands and the command that the second one prints, then press Ctrl-C."""
    if person.account != "root":
        refuse_root(person)
    began = time.monotonic()
    platform = person.start("make", "up")
    platform.read_until("Ctrl-C stops everything", START_TIMEOUT_S)
    person.say(f"`make up` is ready after {time.monotonic() - began:.0f} s, installation included")
    demo = person.run("python3", "manage.py", "demo", timeout_s=DEMO_TIMEOUT_S)
    printed = re.search(r"Every line about it: (.*)", demo.output)
    if "confirmed" not in demo.output or printed is None:
        raise demo.failure("told of no confirmed order")
    told = person.run(*shlex.split(printed[1]), timeout_s=DEMO_TIMEOUT_S)
    if "payment.completed" not in told.output:
        raise told.failure("showed no line about the order")
    person.say("the demo's order is confirmed, and the command that it printed shows its lines")
    platform.press_ctrl_c()
    platform.read_to_the_end(STOP_TIMEOUT_S)
    if "Nothing is left running" not in platform.output or "Traceback" in platform.output:
        raise platform.failure(f"did not stop well (exit code {platform.exit_code})")
    left = _others()
    if left:
        raise platform.failure(f"left running: {left}")
    person.say("Ctrl-C stopped everything")


def refuse_root(person: Person) -> None:
    """Root in another user's clone leaves no file that the owner could not change."""
    careless = Terminal("root", ["make", "up"], str(person.clone), person.variables)
    code = careless.read_to_the_end(START_TIMEOUT_S)
    if code == 0 or f"belongs to {person.account}" not in careless.output or "Traceback" in careless.output:
        raise careless.failure(f"as root in {person.account}'s clone was not refused in a sentence")
    foreign = [str(path) for path in person.clone.rglob("*") if path.lstat().st_uid == 0]
    if foreign:
        raise CommandFailed(f"root left {foreign[:5]} in {person.account}'s clone.")
    person.say(f"root in {person.account}'s clone is refused, and left nothing there")


def test(person: Person, suites: list[str]) -> str:
    """Run the test command in a network with only this system. Returns the counts."""
    person.run("make", "install", timeout_s=INSTALL_TIMEOUT_S)
    command = ["python3", "manage.py", "test", *suites] if suites else ["make", "test"]
    # Its network has no other process that uses a port.
    person = replace(person, variables=person.variables | {"ATOLL_PORT_OFFSET": ""})
    terminal = person.start(*command, offline=True, aloud=True)
    code = terminal.read_to_the_end(TEST_TIMEOUT_S)
    counts = COUNTS.findall(terminal.output)
    if code or not counts:
        raise CommandFailed(f"`{' '.join(command)}` ended with {code}.")
    passed, failed, skipped = counts[-1]
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def _others() -> list[str]:
    """Return the command lines of all other processes of this system after a moment to end."""
    deadline = time.monotonic() + 5
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                if line:  # a zombie has none
                    found.append(line.strip())
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)
