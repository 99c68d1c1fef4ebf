import os
import subprocess
import sys

IMPORTS = """
import importlib, sys
from atoll.dev.preloaded import SHARED_IMPORTS
for name in SHARED_IMPORTS:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {error}")
"""


def test_every_preloaded_module_is_there_and_reads_no_settings_during_its_import():
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
