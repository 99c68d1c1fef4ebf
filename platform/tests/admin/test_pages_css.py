"""Pages beside the lists of rows have one style sheet, which knows every class that a template uses."""

import re

from atoll import conf

ROOT = conf.root()
CLASSES = re.compile(r'class="([^"]*)"')
OURS = re.compile(r"(?<![\w-])(?:page|bus|gw)-[a-z][a-z-]*(?![\w{-])")
FOLDERS = ("platform/atoll", "gateway")


def test_every_class_of_ours_in_a_template_has_a_style() -> None:
    sheets = "\n".join(path.read_text() for folder in FOLDERS for path in (ROOT / folder).rglob("*.css"))
    known = set(OURS.findall(sheets))
    used = {
        (name, path.relative_to(ROOT).as_posix())
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.html")
        for found in CLASSES.findall(path.read_text())
        for name in OURS.findall(found)
    }

    assert len(used) > 50
    assert {one for one in used if one[0] not in known} == set()
