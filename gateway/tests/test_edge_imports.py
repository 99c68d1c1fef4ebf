"""An edge process holds what its requests need: a library that it imports costs each process its memory."""

import os
import subprocess
import sys

IMPORTED = "import gateway.edge.process, sys; print(*sys.modules)"


def test_the_edge_imports_neither_django_nor_a_second_http_client():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], env=environment, capture_output=True, text=True, check=True
    )

    imported = set(done.stdout.split())
    assert "gateway.edge.forward" in imported
    assert not imported & {
        "django.conf",
        "django.db",
        "django.http",
        "health_check",
        "redis",
        "requests",
        "granian",
    }
