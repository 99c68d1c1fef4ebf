"""Bare Debian systems in folders: built once by debootstrap, copied for each visit, entered by chroot."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fresh import machine
from tests.fresh.pythons import ROOT, Python

# README's requirements, git for the clone, and certificates for machines with their own.
PACKAGES = ("ca-certificates", "git", "make", "python3", "python3-venv")
ACCOUNT = "ada"
CODE = "opt"  # the folder of the visit's code in the system

# Its own namespaces end its mounts and its processes together with it.
ENTER = """
set -e
mount --make-rprivate /
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=1777,nosuid,nodev shm "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$1/dev/pts"
mount --bind "$1/dev/pts/ptmx" "$1/dev/ptmx"
system=$1
shift
exec chroot "$system" /usr/bin/env -i "$@"
"""


class NotPossible(Exception):
    """This machine cannot build or enter bare systems. The message gives the reason and a remedy."""


class BuildFailed(Exception):
    """The build of a system failed. The message quotes the end of its output."""


def check_machine() -> None:
    if os.geteuid() != 0:
        raise NotPossible("Bare systems are made and entered by root: `sudo make test-fresh`.")
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git")):
        if shutil.which(program) is None:
            raise NotPossible(f"There is no {program} here. On Debian and Ubuntu: apt install {package}")
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "mount", "--make-rprivate", "/"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        raise NotPossible(f"This machine lets nobody make namespaces: {tried.stderr.strip()}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for one ``make test-fresh``, and delete the leftovers of a killed one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotPossible(f"Another `make test-fresh` uses {folder}.") from None
        for left in (*folder.glob("visit-*"), *folder.glob("*.unfinished")):
            shutil.rmtree(left)
        yield


def base(folder: Path, python: Python) -> Path:
    """Return the bare system of ``python``'s Debian under ``folder``, from an earlier run or newly built."""
    mirror = machine.mirror()
    wanted = json.dumps([python.codename, mirror, PACKAGES, machine.apt_settings(), machine.pip_settings()])
    place = folder / f"debian-{python.debian}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    if place.exists():
        return place
    for older in folder.glob(f"debian-{python.debian}-*"):
        shutil.rmtree(older) if older.is_dir() else older.unlink()
    unfinished = place.with_suffix(".unfinished")
    command = ["debootstrap", "--variant=minbase", python.codename, str(unfinished)]
    script = Path("/usr/share/debootstrap/scripts", python.codename)
    if mirror:
        command.append(mirror)
        if not script.exists():
            # debootstrap builds a release that it does not know yet like Debian unstable.
            command.append(str(script.with_name("sid")))
    _build(command, place.with_suffix(".log"), os.environ)
    machine.settle_into(unfinished)
    script = (
        "apt-get -q update && apt-get -q install -y --no-install-recommends " + " ".join(PACKAGES) + " && "
        f"apt-get clean && useradd --create-home --shell /bin/bash {ACCOUNT} && chmod 700 /root"
    )
    environment = {"DEBIAN_FRONTEND": "noninteractive", **machine.proxies()}
    _build(entering(unfinished, ["sh", "-c", script], environment), place.with_suffix(".log"), os.environ)
    unfinished.rename(place)
    return place


def _build(command: list[str], log: Path, environment: "os._Environ[str]") -> None:
    with log.open("ab") as output:
        done = subprocess.run(command, stdout=output, stderr=output, env=dict(environment), check=False)
    if done.returncode:
        end = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        raise BuildFailed(f"{command[0]} failed. The end of {log}:\n{end}")


def entering(system: Path, command: list[str], environment: dict[str, str]) -> list[str]:
    """Return the command line that runs ``command`` as root and process 1 of ``system``."""
    variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **environment}
    assignments = [f"{name}={value}" for name, value in variables.items()]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return [*unshare, "sh", "-c", ENTER, "sh", str(system), *assignments, *command]


@contextmanager
def copied(base_system: Path, name: str, *, keep: bool) -> Iterator[Path]:
    """Copy the system with the committed state of this clone. Deletes the copy afterwards."""
    place = base_system.parent / f"{'kept' if keep else 'visit'}-{name}"
    if place.exists():
        shutil.rmtree(place)
    try:
        subprocess.run(["cp", "-a", "--reflink=auto", str(base_system), str(place)], check=True)
        (place / CODE / "tests").mkdir()
        for file in ("__init__.py", "terminal.py", "visit.py", "steps.py", "loopback.py"):
            (place / CODE / "tests" / "fresh").mkdir(exist_ok=True)
            shutil.copyfile(Path(__file__).with_name(file), place / CODE / "tests" / "fresh" / file)
        _clone_into(place / "srv" / "atoll.git")
        yield place
    finally:
        if not keep:
            subprocess.run(["rm", "-rf", str(place)], check=False)


def _clone_into(place: Path) -> None:
    """Clone the committed state only, as a colleague's clone does."""
    # Root runs git in another owner's clone, which git allows only with this setting.
    environment = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    source = f"file://{ROOT}"
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", "--depth=1", source, str(place)],
        env=os.environ | environment,
        check=True,
    )
