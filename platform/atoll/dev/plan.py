"""The platform as a list of processes: engines, set-ups, web processes, workers, and their order."""

import os
from pathlib import Path

from atoll import conf
from atoll.conf import Project
from atoll.dev import probes, setup
from atoll.dev.process import Kind, Spec

# Stop order: gateway and workers first, then the web processes that they call, the registry last.
STOP_EDGE, STOP_SERVICES, STOP_REGISTRY = 0, 1, 2
REGISTRY, GATEWAY = "registry", "gateway"


def environment(home: Path) -> dict[str, str]:
    """The variables of every process of this platform, beside those of this process."""
    return {
        "ATOLL_HOME": str(home),
        "ATOLL_ROOT": str(conf.root()),
        "ATOLL_ENV": "development",
        # All processes stop together, so a short grace is enough for the others to notice.
        "DRAIN_LINGER_S": os.environ.get("DRAIN_LINGER_S") or "0.3",
    }


def processes(home: Path, engines: list[str], *, demo_data: bool = True) -> list[Spec]:
    """All processes but the engines. ``engines`` names these, so that others wait for them."""
    projects = list(conf.projects().values())
    setups = {
        p.name: _setup(p, home, engines, demo_data) for p in projects if not setup.Stamp(home, p).is_fresh()
    }
    specs = list(setups.values())
    services = [p.name for p in projects if p.name not in (REGISTRY, GATEWAY)]
    for project in projects:
        waits = [setups[project.name].name] if project.name in setups else list(engines)
        if project.name == GATEWAY:
            waits += services
        elif project.name != REGISTRY:
            waits.append(REGISTRY)
        specs.append(_web(project, home, waits))
    specs += [_worker(p, home, after=[p.name, GATEWAY]) for p in projects if p.worker]
    return specs


def _setup(project: Project, home: Path, engines: list[str], demo_data: bool) -> Spec:
    name = f"{project.name}-setup"
    return Spec(
        name=name,
        kind=Kind.SETUP,
        argv=("bootstrap", project.name, *(["--demo-data"] if demo_data else [])),
        env=environment(home),
        after=tuple(engines),
        log=home / "logs" / f"{name}.log",
    )


def _web(project: Project, home: Path, after: list[str]) -> Spec:
    stages = {GATEWAY: STOP_EDGE, REGISTRY: STOP_REGISTRY}
    return Spec(
        name=project.name,
        kind=Kind.WEB,
        argv=(project.name, "serve", "--host", "127.0.0.1", "--port", str(project.port)),
        env=environment(home) | {"ATOLL_LIFECYCLE_FILE": str(home / "run" / f"{project.name}.state")},
        after=tuple(after),
        port=project.port,
        probe=probes.http(project.port, tls=project.name == GATEWAY and conf.gateway_has_tls()),
        stop_stage=stages.get(project.name, STOP_SERVICES),
        log=home / "logs" / f"{project.name}.log",
    )


def _worker(project: Project, home: Path, after: list[str]) -> Spec:
    name = f"{project.name}-worker"
    state = home / "run" / f"{name}.state"
    return Spec(
        name=name,
        kind=Kind.WORKER,
        argv=(project.name, "worker"),
        env=environment(home) | {"ATOLL_LIFECYCLE_FILE": str(state)},
        after=tuple(after),
        probe=probes.lifecycle(state),
        stop_stage=STOP_EDGE,
        log=home / "logs" / f"{name}.log",
    )
