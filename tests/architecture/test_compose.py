"""docker-compose.yml, Dockerfile and .env.example say the same as projects.toml; no engine is needed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from atoll import conf
from atoll.postgresql import budget

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECTS = tomllib.loads((ROOT / "projects.toml").read_text())
WORKERS = [name for name, row in PROJECTS.items() if row["worker"]]
ENGINES = {"postgres", "rabbitmq", "redis"}
FRONT = {"caddy"}
OURS = sorted(set(SERVICES) - ENGINES - FRONT)
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[?-])?([^}]*)\}")
SECRET = re.compile(r"(PASSWORD|SECRET|SECRET_KEY)$")


def variables(text: str) -> dict[str, str]:
    """Name and operator (``:?`` required, ``:-`` with a default) of every ``${NAME...}``."""
    return {name: operator for name, operator, _ in VARIABLE.findall(text)}


def documented() -> set[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {match[1] for line in lines if (match := re.match(r"(?:# )?([A-Z][A-Z_]+)=", line))}


def test_every_project_and_worker_is_there_and_nothing_else():
    expected = {name for project in PROJECTS for name in (project, f"{project}-setup")}
    expected |= {f"{project}-worker" for project in WORKERS}
    assert set(OURS) == expected, "Give the project its entries in docker-compose.yml."


@pytest.mark.parametrize("name", PROJECTS)
def test_a_web_process_serves_its_project_on_its_port_and_is_asked_there(name: str):
    port = PROJECTS[name]["port"]
    assert SERVICES[name]["command"] == [name, "serve", "--host", "0.0.0.0", "--port", str(port)]
    assert f"http://127.0.0.1:{port}/health/ready" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_runs_its_project_and_shows_whether_it_is_ready(name: str):
    worker = SERVICES[f"{name}-worker"]
    assert worker["command"] == [name, "worker"]
    assert worker["environment"]["ATOLL_LIFECYCLE_FILE"] in worker["healthcheck"]["test"]
    assert worker["depends_on"]["rabbitmq"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", PROJECTS)
def test_processes_wait_for_their_set_up_and_the_set_up_for_its_engines(name: str):
    assert SERVICES[f"{name}-setup"]["command"] == ["bootstrap", name]
    engines = {"postgres", "rabbitmq"} if name in WORKERS else {"postgres"}
    assert SERVICES[f"{name}-setup"]["depends_on"] == {
        engine: {"condition": "service_healthy"} for engine in engines
    }
    for process in (name, f"{name}-worker"):
        if process in SERVICES:
            waits = SERVICES[process]["depends_on"]
            assert waits[f"{name}-setup"] == {"condition": "service_completed_successfully"}
            others = {
                condition["condition"] for other, condition in waits.items() if other != f"{name}-setup"
            }
            assert others == {"service_healthy"}


def test_whatever_is_waited_for_as_healthy_says_whether_it_is():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (
                    f"{name} waits for {other}, which has no health check."
                )


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_gets_its_own_database_and_secrets(name: str):
    own = name.upper().replace("-", "_")
    row = conf.Project(name=name, **PROJECTS[name])
    for process in (f"{name}-setup", name, f"{name}-worker"):
        if process not in SERVICES:
            continue
        environment = SERVICES[process]["environment"]
        url = environment[f"{own}_DATABASE_URL"]
        assert url.startswith(f"postgres://{row.role}:${{{own}_DATABASE_PASSWORD:?")
        assert url.endswith(f"@postgres:5432/{row.database}")
        assert f"{own}_SECRET_KEY" in environment
        assert f"{own}_SERVICE_SECRET" in environment
        assert {"REDIS_URL", "REGISTRY_URL", "ALLOWED_HOSTS"} <= set(environment)


@pytest.mark.parametrize("name", PROJECTS)
def test_a_project_with_a_worker_has_a_broker_user_of_its_own_called_as_the_service_is(name: str):
    own = name.upper().replace("-", "_")
    for process in (f"{name}-setup", name, f"{name}-worker"):
        if process not in SERVICES:
            continue
        environment = SERVICES[process]["environment"]
        urls = {key: value for key, value in environment.items() if key.endswith("RABBITMQ_URL")}
        if name in WORKERS:
            password = f"${{{own}_RABBITMQ_PASSWORD:?set it in .env}}"
            assert urls == {
                f"{own}_RABBITMQ_URL": f"amqp://{PROJECTS[name]['service']}:{password}@rabbitmq:5672//"
            }
        else:
            assert urls == {}
        assert environment["BUS_CHECK_SENDERS"] == "${BUS_CHECK_SENDERS:-true}"


@pytest.mark.parametrize("name", OURS)
def test_no_process_holds_a_secret_of_another_project_except_those_that_check_them(name: str):
    project = name.removesuffix("-setup").removesuffix("-worker")
    held = {key for key in SERVICES[name]["environment"] if SECRET.search(key)}
    foreign = {key for key in held if not key.startswith(project.upper().replace("-", "_"))}
    if project in ("users", "registry"):
        assert all(key.endswith("_SERVICE_SECRET") for key in foreign)
    else:
        assert foreign == set()


@pytest.mark.parametrize("name", OURS)
def test_set_ups_alone_may_make_roles_and_databases(name: str):
    environment = SERVICES[name]["environment"]
    assert ("DATABASE_ADMIN_URL" in environment) == name.endswith("-setup")
    if name.endswith("-setup"):
        assert environment["DATABASE_ADMIN_URL"] == (
            "postgres://postgres:${POSTGRES_PASSWORD:?set it in .env}@postgres:5432/postgres"
        )


@pytest.mark.parametrize("name", OURS)
def test_set_ups_of_projects_with_a_worker_alone_may_make_broker_users(name: str):
    environment = SERVICES[name]["environment"]
    makes = name.endswith("-setup") and name.removesuffix("-setup") in WORKERS
    assert ("RABBITMQ_ADMIN_URL" in environment) == makes
    if makes:
        assert environment["RABBITMQ_ADMIN_URL"] == (
            "http://atoll:${RABBITMQ_PASSWORD:?set it in .env}@rabbitmq:15672"
        )
    # The administrator's password is in nothing else that a process of ours is given.
    held = [key for key, value in environment.items() if "${RABBITMQ_PASSWORD" in str(value)]
    assert held == (["RABBITMQ_ADMIN_URL"] if makes else [])
    assert SERVICES["rabbitmq"]["environment"]["RABBITMQ_DEFAULT_USER"] == "atoll"
    assert "management" in SERVICES["rabbitmq"]["image"]


@pytest.mark.parametrize("name", OURS)
def test_no_process_is_given_a_password_of_another_project(name: str):
    project = name.removesuffix("-setup").removesuffix("-worker")
    passwords = {
        found
        for value in SERVICES[name]["environment"].values()
        for found in variables(str(value))
        if found.endswith("_PASSWORD")
    }
    own = {f"{project.upper().replace('-', '_')}_{kind}_PASSWORD" for kind in ("DATABASE", "RABBITMQ")}
    shared = {"REDIS_PASSWORD"} | ({"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"} if "setup" in name else set())
    assert passwords <= own | shared


def test_one_service_builds_the_image_that_all_use():
    assert [name for name, service in SERVICES.items() if "build" in service] == ["registry-setup"]
    assert {SERVICES[name]["image"] for name in OURS} == {"atoll"}


def test_no_engine_is_started_by_a_shell_or_with_its_password_on_the_command_line():
    for name in ENGINES:
        words = [str(word) for word in SERVICES[name].get("command", ())]
        assert not any("PASSWORD" in word or word == "sh" for word in words), name
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", name


def test_a_container_keeps_what_it_remembers_where_it_may_write():
    lines = (ROOT / "Dockerfile").read_text()
    assert "/nonexistent" not in lines
    assert "ATOLL_HOME=/tmp" in lines
    assert all(SERVICES[name]["tmpfs"] == ["/tmp"] for name in OURS)


def test_the_database_server_admits_what_all_processes_may_open():
    command = SERVICES["postgres"]["command"]
    [admitted] = [int(text.removeprefix("max_connections=")) for text in command if "max_connections" in text]
    reserved_for_superusers = 3
    needed = sum(budget.needed("orders").values())
    a_service_of_your_own = budget.web("reviews") + budget.worker("reviews")
    assert admitted - reserved_for_superusers >= needed + 2 * a_service_of_your_own


def test_secrets_have_no_default_and_nothing_starts_without_them():
    found = variables((ROOT / "docker-compose.yml").read_text())
    secrets = {name: operator for name, operator in found.items() if SECRET.search(name)}
    assert len(secrets) == 3 + 3 * len(PROJECTS) + len(WORKERS)
    assert set(secrets.values()) == {":?"}


def test_every_variable_of_the_compose_file_is_in_the_example():
    assert set(variables((ROOT / "docker-compose.yml").read_text())) <= documented()


def test_every_variable_that_the_code_reads_is_in_the_example():
    call = re.compile(r'conf\.(?:variable|flag|seconds)\(\s*"([A-Z_]+)"')
    read: dict[str, Path] = {}
    for folder in ("platform/atoll", "services", "gateway", "registry"):
        for path in (ROOT / folder).rglob("*.py"):
            if "tests" not in path.parts and "testing" not in path.parts and "dev" not in path.parts:
                read |= dict.fromkeys(call.findall(path.read_text()), path)
    known = {name.removeprefix(f"{project.upper()}_") for name in documented() for project in ("", *PROJECTS)}
    known |= documented()
    missing = {name: str(path.relative_to(ROOT)) for name, path in read.items() if name not in known}
    assert missing == {}, "Say in .env.example what each is for."


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert ("ports" in service) == (name == "gateway")


def test_the_image_is_not_run_by_root_and_holds_every_project_and_no_test_tool():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER atoll"]
    copied = {line.split()[1] for line in lines if line.startswith("COPY ")}
    assert {"services", "gateway", "registry", "platform", "requirements/base.txt"} <= copied
    assert all(row["package"].split(".")[0] in copied for row in PROJECTS.values())
    assert not any("requirements/dev.txt" in line or "requirements/local.txt" in line for line in lines)
    assert "**/tests" in (ROOT / ".dockerignore").read_text().splitlines()
