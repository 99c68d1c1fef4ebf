"""Delete all data of the embedded engines, after asking; logs and secrets go too."""

import argparse
import shutil
import sys

from atoll import conf

KEPT = {"up.lock"}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py reset", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(argv)
    from atoll.dev import instance

    home = conf.home().resolve()
    try:
        held = instance.Instance(home, "")
    except instance.AlreadyRunning as refusal:
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
        for path in home.iterdir():
            if path.name in KEPT:
                continue
            if path.is_symlink():
                # Data that PostgreSQL's account could not reach here; see atoll.dev.account.
                shutil.rmtree(path.resolve(), ignore_errors=True)
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    finally:
        held.close()
    print("Deleted. `make up` starts anew.")
    return 0
