"""The import contracts name every project, and excuse none."""

import configparser
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def test_every_project_stands_behind_the_wall_between_services():
    walled = set(contracts()["importlinter:contract:services-apart"]["modules"].split())
    projects = {row["package"] for row in tomllib.loads((ROOT / "projects.toml").read_text()).values()}
    assert projects == walled


def test_no_wall_has_a_hole():
    excused = [name for name in contracts().sections() if "ignore_imports" in contracts()[name]]
    assert excused == []
