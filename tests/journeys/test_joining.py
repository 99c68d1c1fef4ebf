"""A service in another language joins by the commands of docs/joining.md."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests

from atoll import conf
from atoll.testing.running import Platform
from tests.journeys.test_readme import commands, environment

pytestmark = pytest.mark.on("embedded")

TIMEOUT_S = 120
# The document's reader sees that the service has started and that the route exists.
REGISTERED = 'until curl -sf -u "$SERVICE_NAME:$SERVICE_SECRET" $REGISTRY_URL/discover/report-service | grep -q report-; do sleep 0.1; done'  # noqa: E501
ROUTED = "until curl -sf http://127.0.0.1:8000/api/reports/now > /dev/null; do sleep 0.1; done"


def script(platform: Platform) -> str:
    """Return the commands of the document in order, with this platform's addresses."""
    block = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
    typed = block.findall((conf.root() / "docs" / "joining.md").read_text())
    lines: list[str] = ["set -em"]
    for part in typed:
        lines += [f"echo '== {len(lines)}'", part]
        if part.rstrip().endswith("&"):
            lines.append(REGISTERED)
        if "load_routes" in part:
            lines.append(ROUTED)
    lines.append("wait")
    text = "\n".join(lines)
    return text.replace("http://127.0.0.1:8005", platform.url("registry")).replace(
        "http://127.0.0.1:8000", platform.gateway_url
    )


def test_a_node_service_joins_is_called_through_the_gateway_and_leaves(
    platform: Platform, tmp_path: Path
) -> None:
    if shutil.which("node") is None:
        if os.environ.get("ATOLL_REQUIRE_RABBITMQ"):
            pytest.fail("no Node.js on this machine")
        pytest.skip("no Node.js on this machine (Debian: nodejs)")
    assert commands("docs/joining.md"), "the document has commands"
    begun = time.monotonic()
    for name in ("manage.py", "tests"):
        (tmp_path / name).symlink_to(conf.root() / name)
    done = subprocess.run(
        ["bash", "-c", script(platform) + '\necho "secret $SERVICE_SECRET"'],
        cwd=tmp_path,
        env=environment(platform),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'\[\{"id":"report-service-[0-9a-f-]{36}","host":"127.0.0.1","port":\d+', done.stdout)
    assert '{"path":"/reports/today","user":null,"roles":[]}' in done.stdout
    secret = done.stdout.split()[-1]
    left = requests.get(
        f"{platform.url('registry')}/discover/report-service", auth=("report-service", secret), timeout=10
    )
    assert left.json() == []
    assert time.monotonic() - begun < TIMEOUT_S
