"""Commands at a terminal, typed as a person types them, under that person's account."""

import codecs
import os
import pty
import pwd
import re
import select
import signal
import time
from collections.abc import Callable

from tests.fresh import loopback

CTRL_C = b"\x03"
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")


class CommandFailed(Exception):
    """A command did not do what the README says. The message has the command and the end of its output."""


class Terminal:
    """One command in its own pseudo-terminal.

    ``offline`` puts it into a network with only a loopback device. ``on_line`` gets each line of
    output at once, without escape sequences.
    """

    def __init__(
        self,
        account: str,
        command: list[str],
        folder: str,
        variables: dict[str, str],
        *,
        offline: bool = False,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.command, self.output = " ".join(command), ""
        self._on_line, self._incomplete_line = on_line, ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.exit_code: int | None = None
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            try:
                _become(account, folder, offline=offline)
                os.execvpe(command[0], command, _login_environment(account) | variables)  # noqa: S606
            except BaseException as error:
                os.write(2, f"{error}\n".encode())
                os._exit(127)

    def read_until(self, text: str, timeout_s: float) -> None:
        """Wait until the command has printed ``text``."""
        self._read(lambda: text in self.output, timeout_s, f"to print {text!r}")
        if text not in self.output:
            raise self.failure(f"ended with {self.exit_code} before it printed {text!r}")

    def read_to_the_end(self, timeout_s: float) -> int:
        """Wait for the command's end. Returns its exit code, or minus the signal that ended it."""
        self._read(lambda: False, timeout_s, "to end")
        return int(self.exit_code or 0)

    def press_ctrl_c(self) -> None:
        os.write(self._terminal, CTRL_C)

    def failure(self, what: str) -> CommandFailed:
        end = "\n".join(f"    {line}" for line in self.output.splitlines()[-40:])
        return CommandFailed(f"`{self.command}` {what}. The end of what it printed:\n{end}")

    def _read(self, enough: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while self.exit_code is None and not enough():
            if time.monotonic() > deadline:
                os.killpg(self.pid, signal.SIGKILL)
                raise self.failure(f"took longer than {timeout_s:g} s {what}")
            if not select.select([self._terminal], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(self._terminal, 1 << 16)
            except OSError:  # Linux raises this when no process has the other side open
                data = b""
            self._take(data)
            if not data:
                self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                os.close(self._terminal)

    def _take(self, data: bytes) -> None:
        text = ESCAPES.sub("", self._decoder.decode(data)).replace("\r", "")
        self.output += text
        *lines, self._incomplete_line = (self._incomplete_line + text).split("\n")
        for line in lines:
            self._on_line(line)


def _become(account: str, folder: str, *, offline: bool) -> None:
    if offline:
        loopback.enter()
    entry = pwd.getpwnam(account)
    os.initgroups(account, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.chdir(folder)


def _login_environment(account: str) -> dict[str, str]:
    """Return the variables of a login. A bare system sets no language."""
    names = {"HOME": pwd.getpwnam(account).pw_dir, "USER": account, "LOGNAME": account}
    return names | {"PATH": os.environ["PATH"], "TERM": "xterm", "SHELL": "/bin/bash"}
