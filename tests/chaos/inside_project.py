"""Runs the program ``tests.chaos.inside`` in a process of a project."""

import os
import subprocess
import sys

from atoll import conf


def run_inside(project: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``tests.chaos.inside``. A killed process is no error."""
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.inside", project, *arguments],
        cwd=conf.root(),
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
