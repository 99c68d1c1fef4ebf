"""Stop the platform that runs here, as Ctrl-C in its own terminal does."""

import argparse
import os
import signal
import sys

import psutil

from atoll import conf

STOPS_WITHIN_S = 20.0


def main(argv: list[str]) -> int:
    argparse.ArgumentParser(prog="manage.py down", description=__doc__).parse_args(argv)
    from atoll.dev import instance

    home = conf.home().resolve()
    if not instance.is_running(home):
        print("Nothing runs here.")
        return 0
    pid = int(instance.read(home)["pid"])
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGTERM)
    try:
        process.wait(STOPS_WITHIN_S)
    except psutil.TimeoutExpired:
        print(f"Process {pid} is still stopping; its terminal says why.", file=sys.stderr)
        return 1
    print("Stopped. The data stays.")
    return 0
