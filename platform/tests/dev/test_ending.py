import subprocess
import sys

import psutil

from atoll.dev import ending

DEADLINE_S = 40.0


def test_a_process_that_nobody_reaps_counts_as_ended():
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(child.pid)

    assert ending.still_running([process], within_s=DEADLINE_S) == []

    assert process.status() == psutil.STATUS_ZOMBIE
    child.wait()
    assert not ending.runs(process)


def test_those_that_go_on_are_named():
    sleep, end = ([sys.executable, "-c", text] for text in ("import time; time.sleep(600)", ""))
    with subprocess.Popen(sleep) as going_on, subprocess.Popen(end) as short:
        first, second = psutil.Process(going_on.pid), psutil.Process(short.pid)
        assert ending.still_running([second], within_s=DEADLINE_S) == []

        assert ending.still_running([first, second], within_s=0) == [first]

        going_on.kill()
