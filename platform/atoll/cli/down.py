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
    from atoll.dev import platform_lock

    home = conf.home().resolve()
    if not platform_lock.is_running(home):
        print("Nothing runs here.")
        return 0
    pid = platform_lock.read(home).get("pid")
    if not pid:
        print("Atoll is only starting here and cannot be stopped yet: try again.", file=sys.stderr)
        return 1
    try:
        process = psutil.Process(pid)
        os.kill(pid, signal.SIGTERM)
        process.wait(STOPS_WITHIN_S)
    except (psutil.NoSuchProcess, ProcessLookupError):
        print("Nothing runs here any more.")
        return 0
    except PermissionError:
        print(f"Process {pid} belongs to somebody else, who alone can stop it.", file=sys.stderr)
        return 1
    except psutil.TimeoutExpired:
        print(f"Process {pid} is still stopping; its terminal says why.", file=sys.stderr)
        return 1
    print("Stopped. The data stays.")
    return 0
