"""docs/asyncapi.json is AsyncAPI 3.0, as its authors' own schema has it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from atoll import conf

# The JSON Schemas of the specification, published by its authors under the Apache licence.
SPECS = "@asyncapi/specs@6.11.1"
PATIENCE_S = 60


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not shutil.which("npm"):
        pytest.skip("npm is not installed, so the official schema cannot be had")
    place = tmp_path_factory.mktemp("specs")
    install = ["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", str(place), SPECS]
    try:
        subprocess.run(install, cwd=place, check=True, capture_output=True, timeout=PATIENCE_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"{SPECS} cannot be installed here")
    schemas = place / "node_modules" / "@asyncapi" / "specs" / "schemas"
    return dict(json.loads((schemas / "3.0.0-without-$id.json").read_text()))


def document() -> dict[str, Any]:
    return dict(json.loads((Path(conf.root()) / "docs" / "asyncapi.json").read_text()))


def test_the_document_is_valid_under_the_official_schema(official: dict[str, Any]):
    assert [error.message for error in Draft7Validator(official).iter_errors(document())] == []


def test_the_official_schema_would_find_a_mistake(official: dict[str, Any]):
    broken = document()
    next(iter(broken["operations"].values()))["action"] = "shout"
    assert not Draft7Validator(official).is_valid(broken)
