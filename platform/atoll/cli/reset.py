"""Delete all data of the embedded engines, after asking; logs and secrets go too."""

import argparse
import os
import sys
from pathlib import Path

from atoll import conf

KEPT = {"up.lock", "fresh"}  # `fresh`: the bare systems of `make test-fresh`; they belong to root


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py reset", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(argv)
    from atoll.dev import erasing, place, platform_lock

    home = conf.home().resolve()
    if not home.exists():
        print(f"There is no {home}; nothing to delete.")
        return 0
    try:
        place.check_writable(home)
        place.check_belongings(home)
    except place.Unusable as reason:
        print(f"{reason}\nNothing was deleted.", file=sys.stderr)
        return 1
    try:
        held = platform_lock.PlatformLock(home, "")
    except platform_lock.AlreadyRunning as refusal:
        print(f"{refusal}\nReset needs it stopped. Nothing was deleted.", file=sys.stderr)
        return 1
    try:
        if not options.yes:
            print(f"This deletes every account, order and product in {home}, with its logs and secrets.")
            print("Real servers that DATABASE_URL and the like name are not touched.")
            if not sys.stdin.isatty():
                print("Nothing was deleted: no terminal to ask in. Say --yes.", file=sys.stderr)
                return 1
            if input("Type yes to delete: ").strip().lower() != "yes":
                print("Nothing was deleted.")
                return 1
        held.clear_leftovers()
        erasing.erase(home, KEPT)
    except erasing.NotErased as reason:
        print(f"{reason}\nNothing was deleted.", file=sys.stderr)
        return 1
    finally:
        held.close()
        _give_back(home)
    print("Deleted. `make up` starts anew.")
    return 0


def _give_back(home: Path) -> None:
    """Give the home back to the owner of the clone, after root has reset it."""
    if os.geteuid() == 0 and home.parent == conf.root():
        owner = conf.root().stat()
        for path in (home, home / "up.lock"):
            os.chown(path, owner.st_uid, owner.st_gid)
