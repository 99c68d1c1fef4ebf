"""Adds a service to every file that lists all services.

Each edit finds its place by the line of the gateway, which stands last in each file; tests check
this order. A file without its place raises LookupError before anything is written.
"""

import re
from pathlib import Path
from string import Template

from atoll.postgresql import budget

COMPOSE = Path(__file__).with_name("compose.tmpl")
VALUES = Path(__file__).with_name("values.tmpl")
# max_connections of the database server is the sum over all processes.
CONNECTIONS = re.compile(r"max_connections=(\d+)")


def _before(text: str, place: str, added: str) -> str:
    """``text`` with ``added`` before the first line that starts with ``place``."""
    position = text.find(f"\n{place}")
    if position < 0:
        raise LookupError(f"no line starts with {place!r}")
    return text[: position + 1] + added + text[position + 1 :]


def _after(text: str, place: str, added: str) -> str:
    """``text`` with ``added`` behind every line that equals ``place``."""
    if place not in text.splitlines():
        raise LookupError(f"no line is {place!r}")
    return "\n".join(f"{line}\n{added}" if line == place else line for line in text.split("\n"))


def projects(text: str, words: dict[str, str]) -> str:
    row = Template(
        '[${project}]\npackage = "services.${names}"\nservice = "${service}"\nport = ${port}\n'
        'database = "${database}"\nserver = "wsgi"\nworker = true\n\n'
    )
    return _before(text, "[gateway]", row.substitute(words))


def walls(text: str, words: dict[str, str]) -> str:
    text = _after(text, "    services.payments", f"    services.{words['names']}")
    rooms = "\n".join(f"    services.{words['names']}.{room}" for room in ("api", "usecases", "handlers"))
    return _after(text, "    services.payments.handlers", rooms)


def routes(text: str, words: dict[str, str]) -> str:
    row = Template(
        '\n[${project}]\nprefix = "/api/${project}"\nservice = "${service}"\nservice_path = "/${project}"\n'
        'access = "signed_in"\nrate_limit = 6000\nrate_window_s = 60\ntimeout_s = 10\n'
    )
    return text.rstrip("\n") + "\n" + row.substitute(words)


def compose(text: str, words: dict[str, str]) -> str:
    shout = words["NAMES"]
    credential = f"{shout}_SERVICE_SECRET: ${{{shout}_SERVICE_SECRET:?set it in .env}}\n"
    text = _before(text, "  GATEWAY_SERVICE_SECRET:", f"  {credential}")
    text = _before(text, "  gateway-setup:", Template(COMPOSE.read_text()).substitute(words))
    more = budget.web(words["project"]) + budget.worker(words["project"])
    text = CONNECTIONS.sub(lambda found: f"max_connections={int(found[1]) + more}", text)
    gateway = text.index("\n  gateway:\n")
    ready = f"      {words['project']}: {{condition: service_healthy}}"
    return text[:gateway] + _after(text[gateway:], "      orders: {condition: service_healthy}", ready)


def example(text: str, words: dict[str, str]) -> str:
    kinds = ("SECRET_KEY", "SERVICE_SECRET", "DATABASE_PASSWORD", "RABBITMQ_PASSWORD")
    lines = "".join(f"{words['NAMES']}_{kind}=\n" for kind in kinds)
    return _before(text, "GATEWAY_SECRET_KEY=", f"{lines}\n")


def personal_data(text: str, words: dict[str, str]) -> str:
    row = Template("| `${names}: ${Name}.user_id` | the owner | deleted with the account |\n")
    return _before(text, "\n`new-service` adds", row.substitute(words))


def credential(text: str, words: dict[str, str]) -> str:
    return _before(text, "    - GATEWAY_SERVICE_SECRET", f"    - {words['NAMES']}_SERVICE_SECRET\n")


def engines(text: str, words: dict[str, str]) -> str:
    cluster = Template(
        "  - {name: ${project}-postgresql, database: ${database}, owner: ${role}, "
        "instances: 2, storage: 10Gi}\n"
    )
    text = _before(text, "  - {name: gateway-postgresql", cluster.substitute(words))
    text = _before(text, "      - GATEWAY_SERVICE_SECRET", f"      - {words['NAMES']}_SERVICE_SECRET\n")
    kinds = ("SECRET_KEY", "SERVICE_SECRET", "RABBITMQ_PASSWORD")
    variables = "".join(f"      - {words['NAMES']}_{kind}\n" for kind in kinds)
    secrets = Template("  - name: ${project}-secrets\n    path: atoll/${project}\n    variables:\n")
    return _before(text, "  - name: gateway-secrets", secrets.substitute(words) + variables)


def values(words: dict[str, str]) -> str:
    """The values of the service's Helm release."""
    return Template(VALUES.read_text()).substitute(words)


def front(text: str, words: dict[str, str]) -> str:
    block = Template(
        "\n${project}.{$$ADMIN_HOST:admin.localhost} {\n\timport admin\n"
        "\treverse_proxy {$$${NAMES}:${project}:${port}}\n}\n"
    )
    return text.rstrip("\n") + "\n" + block.substitute(words)


EDITS = {
    "projects.toml": projects,
    ".importlinter": walls,
    "gateway/routes.toml": routes,
    "docker-compose.yml": compose,
    ".env.example": example,
    "deploy/caddy/Caddyfile": front,
    "deploy/helm/values/engines.yaml": engines,
    "deploy/helm/values/registry.yaml": credential,
    "deploy/helm/values/users.yaml": credential,
    "docs/personal-data.md": personal_data,
}


def edited(words: dict[str, str], root: Path) -> dict[Path, str]:
    """The new text of every file that lists the projects. Writes nothing."""
    made = {}
    for name, edit in EDITS.items():
        try:
            made[root / name] = edit((root / name).read_text(), words)
        except LookupError as error:
            raise LookupError(f"{name} is not as it was: {error.args[0]}") from error
    made[root / f"deploy/helm/values/{words['project']}.yaml"] = values(words)
    return made
