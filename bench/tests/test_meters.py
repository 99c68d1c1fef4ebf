import os
import subprocess
import sys

from bench import meters

# Spends a fifth of a second of processor time, then waits for its standard input.
BUSY = "import time, sys\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\nsys.stdin.read()"
# The kernel tells whole ticks, of user and of system time: three processes may have two more each.
UNTOLD_S = 6 / os.sysconf("SC_CLK_TCK")


def test_processor_time_counts_descendants_that_run_and_that_have_ended():
    parent = subprocess.Popen(
        [
            sys.executable, "-c",
            "import subprocess, sys\n"
            f"busy = {BUSY!r}\n"
            "done = subprocess.Popen([sys.executable, '-c', busy], stdin=subprocess.DEVNULL)\n"
            "done.wait()\n"
            "subprocess.run([sys.executable, '-c', busy])",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout
    assert parent.stdin
    parent.stdout.readline()
    parent.stdout.readline()
    assert meters.cpu_of_tree(parent.pid) >= 0.4 - UNTOLD_S
    assert meters.cpu_of_process(parent.pid) < 0.4 - UNTOLD_S
    parent.stdin.close()
    parent.wait()
    assert meters.cpu_of_tree(parent.pid) == meters.cpu_of_process(parent.pid) == 0.0


def test_a_process_that_spent_nothing_or_is_gone_is_left_out():
    before = {"orders": 1.0, "users": 2.0, "gone": 5.0}
    assert meters.spent(before, {"orders": 1.5, "users": 2.0, "new": 0.25}) == {"orders": 0.5, "new": 0.25}


def test_without_rabbitmqctl_publishes_are_unknown(monkeypatch):
    monkeypatch.setitem(os.environ, "PATH", "")
    assert meters.published() is None
