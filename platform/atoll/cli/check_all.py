"""Check types, messages, missing migrations and Django's deployment settings of every project."""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor

from atoll import conf

AT_ONCE = 2


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py check-all", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["types", "messages", *conf.projects()], help="only this")
    options = parser.parse_args(argv)
    if options.part in conf.projects():
        with tempfile.TemporaryDirectory() as home:
            os.environ.update(production(home))
            return _check(options.part)
    manage = [sys.executable, str(conf.root() / "manage.py"), "check-all"]
    jobs = {"types": [sys.executable, "-m", "mypy"]}
    jobs["messages"] = [sys.executable, str(conf.root() / "manage.py"), "asyncapi", "--check"]
    jobs |= {name: [*manage, name] for name in conf.projects()}
    jobs = {options.part: jobs[options.part]} if options.part else jobs
    with tempfile.TemporaryDirectory() as home, ThreadPoolExecutor(AT_ONCE) as pool:
        env = dict(os.environ) | production(home) | _settings_for_types()
        return max(pool.map(lambda job: _in_own_process(job[0], job[1], env), jobs.items()))


def production(home: str) -> dict[str, str]:
    """The environment of a deployment. The checks connect to no server."""
    return {
        "ATOLL_ENV": "production",
        "ATOLL_HOME": home,
        "ALLOWED_HOSTS": "atoll.example",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "SERVICE_SECRET": secrets.token_urlsafe(32),
        "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "RABBITMQ_URL": "amqp://127.0.0.1:1//",
        **{
            f"{name.upper().replace('-', '_')}_RABBITMQ_URL": f"amqp://{project.service}@127.0.0.1:1//"
            for name, project in conf.projects().items()
        },
    }


def _settings_for_types() -> dict[str, str]:
    """Write one settings module with the apps of all projects, for mypy's Django plugin.

    One run of mypy per project would check the library each time.
    """
    packages = [project.package for project in conf.projects().values()]
    lines = ["# mypy: ignore-errors"]
    lines += [f"from {package}.settings import *" for package in packages]
    lines += [
        f"from {package}.settings import INSTALLED_APPS as apps{n}" for n, package in enumerate(packages)
    ]
    lists = ", ".join(f"*apps{n}" for n in range(len(packages)))
    lines += [f"INSTALLED_APPS = list(dict.fromkeys([{lists}]))", ""]
    folder = conf.root() / ".mypy_cache" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "typing_settings.py").write_text("\n".join(lines))
    return {"PYTHONPATH": f"{folder}:{conf.root()}:{conf.root() / 'platform'}", "MYPYPATH": str(folder)}


def _in_own_process(name: str, command: list[str], env: dict[str, str]) -> int:
    done = subprocess.run(command, env=env, cwd=conf.root(), capture_output=True, text=True)
    print(f"{name:<10} {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode


def _check(name: str) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = conf.project(name).settings_module
    # makemigrations compares with the history in the database; here there is no database.
    warnings.filterwarnings("ignore", message="Got an error checking a consistent migration history")
    import django
    from django.core.management import CommandError, call_command

    django.setup()
    try:
        call_command("makemigrations", "--check", "--dry-run")
        call_command("check", "--deploy", "--fail-level", "WARNING")
    except CommandError as error:
        print(error)
        return 1
    return 0
