"""One person's visit to a bare system, run as its process 1: ``python3 -m tests.fresh.visit JSON``.

The argument is ``{"account", "python", "part", "suites", "variables"}``. The exit code is 0
when every result is as the README says.
"""

import json
import sys
import time

from tests.fresh import steps
from tests.fresh.terminal import CommandFailed

UP, TEST = "up", "test"


def main(argument: str) -> int:
    wanted = json.loads(argument)
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    person = steps.Person(wanted["account"], wanted["variables"], say)
    try:
        steps.clone(person, wanted["python"])
        if wanted["part"] != TEST:
            steps.up(person)
        if wanted["part"] != UP:
            say(f"counted: {steps.test(person, wanted['suites'])}")
    except CommandFailed as bad:
        say(f"FAILED: {bad}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
