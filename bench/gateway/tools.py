"""The programs of the benchmark: found, and installed where they are missing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
DEBIAN = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "caddy": "caddy",
    "wrk": "wrk",
    "node": "nodejs",
    "npm": "npm",
}
SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin"


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")


def install(names: list[str]) -> None:
    """Install the Debian packages of missing programs. Exits with the command when that is not allowed.

    Their services are neither started nor stopped.
    """
    missing = [DEBIAN[name] for name in names if program(name) is None]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        print(done.stderr, file=sys.stderr)
    sys.exit(f"These packages are missing: {' '.join(missing)}. Install them: sudo {' '.join(command)}")


def express(home: Path) -> Path:
    """The folder of the Express gateway with its packages, by the lock file of this repository."""
    folder = home / "express"
    shutil.copytree(FOLDER / "express", folder)
    subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--silent"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder
