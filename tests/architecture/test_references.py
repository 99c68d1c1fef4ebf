"""Files, modules and members that prose mentions exist."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.architecture import references
from tests.architecture.references import ROOT, dead_names, files, missing, modules, places

DECISIONS = Path("docs/decisions")
INDEX = DECISIONS / "README.md"
# Their examples are those of a project of the reader's own.
RECIPES = Path("docs/recipes")
WRITTEN = re.compile(r"^```python\n# ([\w/]+\.py)", re.MULTILINE)
MAP = Path("docs/map.md")
MESSAGE = re.compile(
    r"(?:@(?:on|handles|upcast)\(|ClassVar\[str\] = |bus\.(?:published|sent|deliver|handled)\()"
    r'"([a-z.*#_]+)"'
)
FOREIGN = {"legacy.ping"}  # docs/messages.md declares it as the event of a foreign producer
QUOTED = re.compile(r"`([^`]+)`")
RENAMED = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)
PACKAGE = re.compile(r"(?:atoll(?:\.\w+)*|(?:gateway|registry|tests)/)")


def renamed() -> dict[str, str]:
    """Former names in decisions, and the names of today, from the index of decisions."""
    return dict(RENAMED.findall((ROOT / INDEX).read_text()))


def test_every_file_and_name_that_prose_mentions_exists():
    current = [path for path in files() if path.parent != DECISIONS]
    dead = [
        str(mention)
        for path in current
        for mention in dead_names(path)
        if mention.name not in written_by(path)
    ]
    assert dead == []


def written_by(path: Path) -> set[str]:
    """The files of the reader's project that a recipe gives, each named in the first line of its block."""
    return set(WRITTEN.findall((ROOT / path).read_text())) if path.parent == RECIPES else set()


def test_a_decision_names_what_exists_or_what_the_index_says_it_became():
    dead = [
        str(mention)
        for path in files()
        if path.parent == DECISIONS and path != INDEX
        for mention in dead_names(path)
        if mention.name not in renamed()
    ]
    assert dead == [], f"Add what it became to {INDEX}"
    for now in renamed().values():
        assert list(missing(now, INDEX)) == []


def unknown_messages(text: str) -> list[str]:
    """The events and commands of examples that docs/asyncapi.json does not have."""
    document = json.loads((ROOT / "docs" / "asyncapi.json").read_text())
    known = {message["name"] for message in document["components"]["messages"].values()} | FOREIGN
    return [name for name in MESSAGE.findall(text) if not any(fnmatch(one, name) for one in known)]


def test_examples_in_documents_use_messages_of_the_platform():
    documents = [path for path in files() if path.suffix == ".md" and path.parent not in (DECISIONS, RECIPES)]
    unknown = [
        f"{path}: {name}" for path in documents for name in unknown_messages((ROOT / path).read_text())
    ]
    assert unknown == []


def test_a_message_that_does_not_exist_is_found():
    assert unknown_messages('@on("order.placed")\n@on("order.*")\n@handles("reserve.stock")') == [
        "order.placed"
    ]


@pytest.mark.parametrize(
    ("prose", "dead"),
    [
        ("See platform/atoll/gone.py.", "platform/atoll/gone.py"),
        ("`bus/gone.py` claims, tests/gone/ proves", "bus/gone.py"),
        ("The folder tests/gone/", "tests/gone/"),
        ("as docs/decisions/9999 says", "docs/decisions/9999"),
        ("``atoll.gone`` does it", "atoll.gone"),
        ("atoll.bus.publish and atoll.bus.gone.", "atoll.bus.gone"),
        ("services.orders.models.Order.gone", "services.orders.models.Order.gone"),
        ("`Order.gone` tells", "Order.gone"),
        ("``relay.gone()`` claims", "relay.gone"),
    ],
)
def test_a_name_that_nothing_bears_is_found(prose: str, dead: str):
    assert dead in list(missing(prose, MAP))


@pytest.mark.parametrize(
    "prose",
    [
        "platform/atoll/bus/models.py, `bus/models.py` and models.py",
        "docs/decisions/0040 and [map](map.md)",
        "atoll.bus.publish, ``atoll.bus``, `services.orders.models.Order.status`",
        "the event `order.created`, the permission `orders.view_order`",
        "`Order.status`, `atoll_bus.settle(until=…)`, `message.idempotency_key`",
        "services/NAME/, services.X, `str.join`, http://127.0.0.1/admin/gone.py",
    ],
)
def test_what_exists_or_is_not_ours_passes(prose: str):
    assert list(missing(prose, MAP)) == []


def test_only_prose_is_read_of_code(tmp_path: Path):
    code = '"""Names gone.py."""\nplace = "unread.py"  # and lost.py\n'
    assert [text for _, text in references.docstrings_and_comments(code)] == [
        "# and lost.py",
        "Names gone.py.",
    ]


def strangers(row: str) -> list[str]:
    """The bare names of a row that are neither a module nor a member in its packages."""
    packages = [name.strip("/") for name in QUOTED.findall(row) if PACKAGE.fullmatch(name)]
    inside = {
        part
        for name, names in modules().items()
        if any(f"{name}.".startswith(f"{package}.") for package in packages)
        for part in (*name.split("."), *names)
    }
    bare = [name.strip("/") for name in QUOTED.findall(row) if re.fullmatch(r"\w+/?", name)]
    return [name for name in bare if packages and name not in inside and name not in packages]


ROWS = [line for line in (ROOT / MAP).read_text().splitlines() if re.fullmatch(r"\|[^|]+\|[^|]+\|", line)]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_map_names_modules_of_its_packages(row: str):
    assert strangers(row) == []


def test_a_bare_name_that_its_row_does_not_have_is_found():
    assert strangers("| the way out: `relay`, `gone` | `atoll.bus.outbox` |") == ["gone"]
    assert "docs/map.md" in places()
