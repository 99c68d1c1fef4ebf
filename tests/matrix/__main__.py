"""``make test-matrix [only=NAMES] [suites="bus workers platform"] [keep=yes]``.

Runs the suites of the library with each combination of Python, Django and driver of PostgreSQL that
``combinations.py`` lists. A combination whose Python this machine lacks is not run, and the summary says so.
Each has a virtual environment in ``.atoll/matrix``, which stays for the next run when its packages have not
changed. The last line is a JSON object. The exit code is 1 when a test failed, 3 when no combination ran.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.matrix.combinations import COMBINATIONS, ROOT, Combination
from tests.matrix.interpreters import interpreter
from tests.matrix.packages import installed

SUITES = "bus workers platform"
TOTALS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


def main(arguments: list[str]) -> int:
    options = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    names = [combination.name for combination in COMBINATIONS]
    wanted = options.get("only", " ".join(names)).split()
    unknown = [name for name in wanted if name not in names]
    if options.keys() - {"only", "suites"} or len(options) != len(arguments) or unknown:
        print(f"Say only='NAMES' or suites='NAMES'. The combinations: {', '.join(names)}.", file=sys.stderr)
        return 2
    suites = options.get("suites", SUITES).split()
    outcomes: dict[str, str] = {}
    failed = ran = 0
    for combination in COMBINATIONS:
        if combination.name not in wanted:
            continue
        python = interpreter(combination.python)
        if python is None:
            outcomes[combination.name] = f"not run: there is no Python {combination.python} here"
        else:
            ran += 1
            is_green, outcomes[combination.name] = _run(combination, python, suites)
            failed += not is_green
        print(f"{combination.name:<32} {outcomes[combination.name]}", flush=True)
    print(json.dumps({"suites": suites, "combinations": outcomes}))
    return 1 if failed else 0 if ran else 3


def _run(combination: Combination, python: Path, suites: list[str]) -> tuple[bool, str]:
    folder = ROOT / ".atoll" / "matrix" / combination.name
    try:
        own = installed(combination, python, folder)
    except subprocess.CalledProcessError as failure:
        return False, f"the packages cannot be installed: {(failure.output or '').strip()[-500:]}"
    began = time.monotonic()
    command = [str(own), str(ROOT / "manage.py"), "test", *suites]
    path = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    log = folder / "test.log"
    with log.open("w") as output:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    totals = TOTALS.findall(log.read_text())
    took = f"in {time.monotonic() - began:.0f} s, {combination.versions(own)}"
    if ended.returncode:
        print(log.read_text()[-6000:], flush=True)
    if not totals:
        return False, f"ended with {ended.returncode} before its summary; see {log}"
    passed, failures, skipped = totals[-1]
    return ended.returncode == 0, f"{passed} passed, {failures} failed, {skipped} skipped {took}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
