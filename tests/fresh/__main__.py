"""``make test-fresh [system=12|13|14] [user=user|root] [part=up|test] [suites="a b"] [keep=yes]``.

Without parameters it runs, on each bare Debian, the README's two commands, Ctrl-C and the test
command: as an ordinary user, and as root with a closed home. The systems are in ``folder=``
(default ``.atoll/fresh``; ``/var/cache/atoll/fresh`` in another user's clone). A change of their
ingredients rebuilds them. ``keep=yes`` keeps a system after its visit. ``only=build`` builds
the systems and visits none.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.fresh import machine, system
from tests.fresh.pythons import ROOT, Python, debians
from tests.fresh.visit import TEST, UP

OPTIONS = ("system", "user", "part", "suites", "keep", "folder", "offset", "only")
ACCOUNTS = {"user": system.ACCOUNT, "root": "root"}
# Ports that leave this machine's own platform alone: a chroot shares its network.
PORT_OFFSET = 5000


def main(arguments: list[str]) -> int:
    options = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    wrong = _complaint(options)
    if wrong or len(options) != len(arguments):
        print(wrong or f"Say it as NAME=VALUE; the names are {', '.join(OPTIONS)}.", file=sys.stderr)
        return 2
    folder = Path(options.get("folder") or _default_folder()).resolve()
    try:
        system.check_machine()
        with system.locked(folder):
            if options.get("only") == "build":
                for python in _chosen(options):
                    print(f"Debian {python.debian} is in {system.base(folder, python)}.", flush=True)
                return 0
            return _visit_all(folder, options)
    except system.NotPossible as reason:
        print(reason, file=sys.stderr)
        return 3
    except system.BuildFailed as failure:
        print(failure, file=sys.stderr)
        return 1


def _complaint(options: dict[str, str]) -> str:
    known = {
        "system": list(debians()),
        "user": list(ACCOUNTS),
        "part": [UP, TEST],
        "keep": ["yes"],
        "only": ["build"],
    }
    for name, value in options.items():
        if name not in OPTIONS:
            return f"There is no {name}=; there are {', '.join(f'{option}=' for option in OPTIONS)}."
        if name in known and value not in known[name]:
            return f"{name}={value} is none of {', '.join(known[name])}."
    return ""


def _default_folder() -> Path:
    """Return a folder in the clone when root owns the clone. Root owns the systems; another owner could
    not delete them.
    """
    return ROOT / ".atoll" / "fresh" if ROOT.stat().st_uid == 0 else Path("/var/cache/atoll/fresh")


def _chosen(options: dict[str, str]) -> list[Python]:
    return [row for number, row in debians().items() if options.get("system", number) == number]


def _visit_all(folder: Path, options: dict[str, str]) -> int:
    outcomes: dict[str, str] = {}
    for python in _chosen(options):
        print(f"Debian {python.debian}: {system.base(folder, python)}", flush=True)
        for user, account in ACCOUNTS.items():
            if options.get("user", user) == user:
                outcomes[f"Debian {python.debian}, {user}"] = _visit(folder, python, account, options)
    print()
    for name, outcome in outcomes.items():
        print(f"{name:<18} {outcome}")
    return int(any(not outcome.startswith("ok") for outcome in outcomes.values()))


def _visit(folder: Path, python: Python, account: str, options: dict[str, str]) -> str:
    """Run the visit. Returns ``ok`` with the counts, or the failure."""
    name = f"{python.debian}-{account}"
    variables = {"ATOLL_PORT_OFFSET": options.get("offset") or str(PORT_OFFSET), **machine.proxies()}
    wanted = {
        "account": account,
        "python": python.version,
        "part": options.get("part", ""),
        "suites": options.get("suites", "").split(),
        "variables": variables,
    }
    print(f"\nDebian {python.debian} as {account}", flush=True)
    began = time.monotonic()
    with system.copied(system.base(folder, python), name, keep=options.get("keep") == "yes") as place:
        command = ["/usr/bin/python3", "-m", "tests.fresh.visit", json.dumps(wanted)]
        entry = system.entering(place, command, {"PYTHONPATH": f"/{system.CODE}", "PYTHONUNBUFFERED": "1"})
        visit = subprocess.Popen(entry, stdout=subprocess.PIPE, text=True, errors="replace")
        said = ""
        assert visit.stdout is not None
        for line in visit.stdout:
            print(line, end="", flush=True)
            said = line if "counted:" in line else said
        code = visit.wait()
    took = f"{time.monotonic() - began:.0f} s"
    counts = said.partition("counted:")[2].strip()
    return f"{'ok' if code == 0 else 'FAILED'}, {counts}{', ' * bool(counts)}{took}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
