"""The chart in deploy/helm renders valid resources, and its values say the same as projects.toml."""

import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

from atoll import conf
from atoll.cli.new_service import edits
from tests.architecture.custom_resources import SCHEMAS
from tests.architecture.test_monitoring import faults

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "atoll"
VALUES = ROOT / "deploy" / "helm" / "values"
PROJECTS = tomllib.loads((ROOT / "projects.toml").read_text())
WORKERS = [name for name, row in PROJECTS.items() if row["worker"]]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
HELM = shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")
# The oldest that Chart.yaml takes, and the newest that the package has.
VERSIONS = ("1.27", "1.37")
ALL = [
    "worker.autoscaling.enabled=true", "worker.autoscaling.prometheus=http://prometheus:9090",
    "web.autoscaling.enabled=true", "serviceMonitor.enabled=true", "podAnnotations.a=b", "nodeSelector.a=b",
    "serviceAccountName=own", "image.pullSecrets={own}", "serviceMonitor.labels.release=own",
    "postgresql[0].name=own", "postgresql[0].database=own", "postgresql[0].owner=own",
    "postgresql[0].instances=1", "postgresql[0].storage=1Gi", "postgresql[0].maxConnections=200",
]  # fmt: skip

pytestmark = pytest.mark.skipif(HELM is None, reason="no helm (its wheel is for Linux on x86-64)")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HELM), *arguments], capture_output=True, text=True, check=False)


def template(release: str, *values: str, settings: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    files = [word for value in values for word in ("-f", str(VALUES / f"{value}.yaml"))]
    chosen = [word for setting in settings for word in ("--set", setting)]
    return helm("template", release, str(CHART), "--namespace", "shop", *files, *chosen)


@cache
def rendered(release: str, *settings: str) -> list[dict[str, Any]]:
    """The resources of one release of the reference system."""
    files = ("engines",) if release == "engines" else ("common", release)
    done = template(release, *files, settings=settings)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def found(release: str, kind: str, name: str = "", *settings: str) -> dict[str, Any]:
    (one,) = [
        resource
        for resource in rendered(release, *settings)
        if resource["kind"] == kind and resource["metadata"]["name"] == (name or release)
    ]
    return one


def pod(release: str, kind: str, name: str) -> dict[str, Any]:
    return dict(found(release, kind, name)["spec"]["template"]["spec"])


def pods(release: str) -> list[dict[str, Any]]:
    return [
        one["spec"]["template"]["spec"] for one in rendered(release) if one["kind"] in ("Deployment", "Job")
    ]


def variables(spec: dict[str, Any]) -> dict[str, Any]:
    """Each variable with its value, or with its Secret and key."""
    made = {}
    for one in spec["containers"][0]["env"]:
        assert one["name"] not in made, f"{one['name']} is there twice"
        reference = one.get("valueFrom", {}).get("secretKeyRef")
        made[one["name"]] = (
            (reference["name"], reference["key"]) if reference else one.get("value", "of the pod")
        )
    return made


def problems(resource: dict[str, Any], version: str) -> list[str]:
    if resource["kind"] in SCHEMAS:
        return [error.message for error in Draft7Validator(SCHEMAS[resource["kind"]]).iter_errors(resource)]
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


@pytest.mark.parametrize("release", [*PROJECTS, "engines"])
@pytest.mark.parametrize(
    ("settings", "version"),
    [((), VERSIONS[-1]), *((tuple(ALL), version) for version in VERSIONS)],
    ids=["as it is", "everything on, oldest", "everything on, newest"],
)
def test_every_resource_is_valid(release: str, settings: tuple[str, ...], version: str):
    resources = rendered(release, *settings)
    assert resources
    assert {f"{one['kind']} {one['metadata']['name']}": problems(one, version) for one in resources} == {
        f"{one['kind']} {one['metadata']['name']}": [] for one in resources
    }


def test_a_resource_that_is_not_valid_is_found():
    deployment = found("orders", "Deployment", "orders-web")
    broken = {**deployment, "spec": {**deployment["spec"], "replica": 2}}
    assert problems(broken, VERSIONS[-1])
    monitor = found("orders", "ServiceMonitor", "orders", *ALL)
    assert problems({**monitor, "spec": {**monitor["spec"], "endpoint": []}}, VERSIONS[-1])


@pytest.mark.parametrize("release", [*PROJECTS, "engines"])
def test_the_chart_passes_helms_own_lint(release: str):
    files = ["engines"] if release == "engines" else ["common", release]
    chosen = [word for name in files for word in ("-f", str(VALUES / f"{name}.yaml"))]
    done = helm("lint", "--strict", str(CHART), *chosen)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("setting", "cause"),
    [
        ("web.replica=3", "Additional property replica is not allowed"),
        ("wroker.enabled=false", "Additional property wroker is not allowed"),
        ("web.port=http", "web.port: Invalid type"),
        ("worker.autoscaling.minReplicas=0", "Must be greater than or equal to 1"),
        ("env.ORDERS_SECRET_KEY=x", "env: Must not validate the schema"),
        ("web.service.type=Ingress", "web.service.type"),
        ("worker.terminationGracePeriodSeconds=5", "Must be greater than or equal to 10"),
        ("image.repository=", "image.repository must be set"),
        ("service=", "service must be set"),
        ("project=", "project must be set"),
        ("broker.passwordSecret=", "broker.passwordSecret must be set"),
        ("worker.autoscaling.enabled=true", "worker.autoscaling.prometheus must be set"),
        (
            "web.extraPorts[0].name=a-name-too-long-for-a-port",
            "web.extraPorts.0.name: Does not match pattern",
        ),
        (f"service={'a' * 57}", "service: Does not match pattern"),
        (
            "web.autoscaling.minReplicas=11,web.autoscaling.enabled=true",
            "web.autoscaling.minReplicas is more than maxReplicas",
        ),
    ],
)
def test_a_value_that_is_misspelt_or_missing_fails_with_its_name(setting: str, cause: str):
    done = template("orders", "common", "orders", settings=(setting,))
    assert done.returncode != 0
    assert cause in done.stderr


@pytest.mark.parametrize(
    ("tag", "label"),
    [
        (f"1.0@sha256:{'a' * 64}", "1.0"),
        ("1.0.0-rc.1", "1.0.0-rc.1"),
        (f"{'b' * 62}.{'c' * 20}", "b" * 62),
    ],
)
def test_the_label_of_the_version_is_valid_for_every_tag(tag: str, label: str):
    deployment = found("orders", "Deployment", "orders-web", f"image.tag={tag}")
    assert deployment["metadata"]["labels"]["app.kubernetes.io/version"] == label
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{tag}")


def test_a_part_of_a_processor_may_be_a_decimal_number():
    deployment = found("orders", "Deployment", "orders-web", "web.resources.requests.cpu=0.5")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "0.5"


def test_the_document_lists_the_values_of_the_chart_and_no_others():
    told: dict[str, set[str]] = {}
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    for cell in re.findall(r"^\| (`[^|]+) \|", text[text.index("| value |") :], re.MULTILINE):
        if cell.startswith("`kubernetes-validate"):
            break
        name, *inner = re.findall(r"`(\w+)`", cell)
        told.setdefault(name, set()).update(inner)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    nested = {name: set(value) if isinstance(value, dict) else set() for name, value in values.items()}
    assert told == nested | {"env": set()}


def test_there_are_values_of_every_project_and_of_nothing_else():
    assert {path.stem for path in VALUES.glob("*.yaml")} == {*PROJECTS, "common", "engines"}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_web_process_serves_its_project_on_its_port_and_is_asked_there(name: str):
    row = PROJECTS[name]
    container = pod(name, "Deployment", f"{name}-web")["containers"][0]
    assert container["args"] == COMPOSE[name]["command"]
    assert container["ports"][0] == {"name": "http", "containerPort": row["port"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    service = found(name, "Service", row["service"])
    assert service["spec"]["ports"][0] == {"name": "http", "port": row["port"], "targetPort": "http"}
    assert service["spec"].get("clusterIP") == (None if name == "gateway" else "None")


@pytest.mark.parametrize("name", PROJECTS)
def test_exactly_the_projects_with_a_worker_have_one_and_it_shows_whether_it_is_ready(name: str):
    names = {one["metadata"]["name"] for one in rendered(name) if one["kind"] == "Deployment"}
    assert names == {f"{name}-web", *([f"{name}-worker"] if name in WORKERS else [])}
    if name in WORKERS:
        spec = pod(name, "Deployment", f"{name}-worker")
        container = spec["containers"][0]
        compose = COMPOSE[f"{name}-worker"]
        assert container["args"] == compose["command"]
        assert ["CMD", *container["readinessProbe"]["exec"]["command"]] == compose["healthcheck"]["test"]
        held = variables(spec)
        assert held["ATOLL_LIFECYCLE_FILE"] == compose["environment"]["ATOLL_LIFECYCLE_FILE"]
        assert int(held["WORKER_METRICS_PORT"]) == container["ports"][0]["containerPort"]
        assert container["livenessProbe"]["tcpSocket"] == {"port": "metrics"}


@pytest.mark.parametrize("name", PROJECTS)
def test_bootstrap_runs_before_an_installation_and_an_upgrade(name: str):
    job = found(name, "Job", f"{name}-bootstrap")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == COMPOSE[f"{name}-setup"]["command"]
    admin = COMPOSE[f"{name}-setup"]["environment"].get("RABBITMQ_ADMIN_URL")
    assert ("RABBITMQ_ADMIN_URL" in variables(job["spec"]["template"]["spec"])) == bool(admin)


@pytest.mark.parametrize("name", PROJECTS)
def test_each_process_has_the_secrets_of_compose_and_none_of_another_project(name: str):
    """The database's and the broker's password are in their URLs there."""
    own = name.upper().replace("-", "_")
    secret = re.compile(r"SECRET_KEY$|SERVICE_SECRET$")
    wanted = {key for key in COMPOSE[name]["environment"] if secret.search(key)} | {"REDIS_URL"}
    for spec in pods(name):
        held = variables(spec)
        from_secrets = {key for key, value in held.items() if isinstance(value, tuple)}
        broker = {f"{own}_RABBITMQ_PASSWORD"} if name in WORKERS else set()
        admin = {"BROKER_ADMIN_NAME", "BROKER_ADMIN_PASSWORD"} & from_secrets
        assert from_secrets == wanted | {f"{own}_DATABASE_URL"} | broker | admin
        assert admin == set() or spec["containers"][0]["name"] == "bootstrap"
        assert held[f"{own}_DATABASE_URL"] == (f"{name}-postgresql-app", "uri")
        if name in WORKERS:
            user = PROJECTS[name]["service"]
            password = f"$({own}_RABBITMQ_PASSWORD)"
            assert held[f"{own}_RABBITMQ_URL"] == f"amqp://{user}:{password}@atoll-rabbitmq:5672//"


@pytest.mark.parametrize("name", PROJECTS)
def test_a_value_uses_only_variables_that_stand_before_it(name: str):
    for spec in pods(name):
        seen: set[str] = set()
        for key, value in variables(spec).items():
            assert set(re.findall(r"\$\((\w+)\)", value if isinstance(value, str) else "")) <= seen
            seen.add(key)


@pytest.mark.parametrize("name", PROJECTS)
def test_every_variable_is_one_that_env_example_or_compose_documents(name: str):
    known = set(re.findall(r"[A-Z][A-Z_]+(?==)", (ROOT / ".env.example").read_text()))
    known |= {key for service in COMPOSE.values() for key in service.get("environment", {})}
    known |= {"HOME", "BROKER_ADMIN_NAME", "BROKER_ADMIN_PASSWORD", "ATOLL_LIFECYCLE_FILE"}
    for spec in pods(name):
        assert set(variables(spec)) <= known


def test_the_engines_have_each_database_and_each_secret_that_the_services_read():
    clusters = {
        one["metadata"]["name"]: one["spec"]["bootstrap"]["initdb"]
        for one in rendered("engines")
        if one["kind"] == "Cluster"
    }
    rows = {name: conf.Project(name=name, **row) for name, row in PROJECTS.items()}
    assert clusters == {
        f"{name}-postgresql": {"database": row.database, "owner": row.role} for name, row in rows.items()
    }
    written = {
        (one["metadata"]["name"], entry["secretKey"])
        for one in rendered("engines")
        if one["kind"] == "ExternalSecret"
        for entry in one["spec"]["data"]
    }
    read = {
        value
        for name in PROJECTS
        for spec in pods(name)
        for value in variables(spec).values()
        if isinstance(value, tuple)
    }
    operators = {one for one in read if one[0].endswith(("-postgresql-app", "-default-user"))}
    assert read - operators == written


@pytest.mark.parametrize("name", PROJECTS)
def test_each_process_is_as_confined_as_in_compose(name: str):
    for spec in pods(name):
        (container,) = spec["containers"]
        assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert f"--uid {spec['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == COMPOSE[name]["tmpfs"]
        assert "memory" in container["resources"]["limits"]


def grace_s(file: str) -> float:
    """GRACE_S of a module that needs Django's settings to be imported."""
    found = re.search(r"^GRACE_S = ([0-9.]+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert found
    return float(found[1])


def test_kubernetes_waits_as_long_as_a_process_needs_to_end():
    web = pod("orders", "Deployment", "orders-web")
    needed_s = grace_s("gateway/edge/process.py") + float(variables(web)["DRAIN_LINGER_S"])
    assert web["terminationGracePeriodSeconds"] > needed_s
    worker = pod("orders", "Deployment", "orders-worker")
    # docs/messages.md: gone within 8 seconds, allow 10.
    assert worker["terminationGracePeriodSeconds"] >= max(
        grace_s("platform/atoll/bus/worker/bootstep.py"), 10
    )


def test_keda_asks_for_a_metric_that_exists_and_of_this_release_alone():
    scaled = found("orders", "ScaledObject", "orders-worker", *ALL)
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    assert query == 'max(bus_deliveries_due{namespace="shop",job="orders"})'
    assert faults(query.replace('namespace="shop",', "")) == set()
    assert "replicas" not in found("orders", "Deployment", "orders-worker", *ALL)["spec"]


def test_prometheus_scrapes_web_and_worker_under_one_job():
    monitor = found("orders", "ServiceMonitor", "orders", *ALL)["spec"]
    wanted = monitor["selector"]["matchLabels"]
    services = [
        one
        for one in rendered("orders", *ALL)
        if one["kind"] == "Service" and wanted.items() <= one["metadata"]["labels"].items()
    ]
    ports = [port["name"] for one in services for port in one["spec"]["ports"]]
    assert sorted(ports) == sorted(one["port"] for one in monitor["endpoints"]) == ["http", "metrics"]
    assert {one["metadata"]["labels"][monitor["jobLabel"]] for one in services} == {"orders"}


@pytest.mark.parametrize("name", WORKERS)
def test_the_values_of_a_new_service_have_the_form_of_the_others(name: str):
    row = PROJECTS[name]
    words = {
        "project": name,
        "service": row["service"],
        "NAMES": name.upper().replace("-", "_"),
        "port": str(row["port"]),
    }
    if name not in ("registry", "users"):
        assert edits.values(words) == (VALUES / f"{name}.yaml").read_text()
