"""Write docs/configuration.md from the table of options; --check compares instead."""

import argparse
import sys
from pathlib import Path
from typing import Any

from atoll import conf
from atoll.conf import options
from atoll.conf.option import Option

PLACE = Path("docs/configuration.md")
HEAD = """# Configuration

`manage.py configuration` writes this page from `platform/atoll/conf/options.py`: change that file.

A project of your own needs two keys in its settings:

```python
ATOLL = {"SERVICE": "shop", "BROKER_URL": "amqp://guest:guest@127.0.0.1:5672//"}
```

Each option has a key in `ATOLL` and a variable of the environment. A value comes from the first of these that
has it:

1. the variable with the project's name in front, where the table says *own*: `SHOP_WORKER_POOL`;
2. the variable: `WORKER_POOL`;
3. the key in `settings.ATOLL`;
4. `projects.toml` and the files that `make up` writes, in a clone of this repository;
5. the default.

An empty value counts as not set. `manage.py check` names a missing, misspelt or wrong value, with an id such
as `atoll.E003`. Options without a key count in the environment alone.
[docs/decisions/0114](decisions/0114-one-table-of-options.md) has the reasons.

Instances of a service at fixed addresses: `USER_SERVICE_URL` is the address of `user-service`, for any name.
"""


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py configuration", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is old")
    arguments = parser.parse_args(argv)
    place = conf.root() / PLACE
    page = render()
    if not arguments.check:
        place.write_text(page)
        return 0
    if place.is_file() and place.read_text() == page:
        return 0
    print(f"{PLACE} is not what the table of options says. Run `./manage.py configuration`.", file=sys.stderr)
    return 1


def render() -> str:
    """The page, as Markdown."""
    parts = [HEAD]
    for part, title in options.PARTS.items():
        rows = [_row(option) for option in options.all_options() if option.part == part]
        parts.append(
            "\n".join(
                [
                    f"## {title}\n",
                    "| key in `ATOLL` | variable | value | default | meaning |",
                    "| --- | --- | --- | --- | --- |",
                    *rows,
                    "",
                ]
            )
        )
    return "\n".join(parts)


def _row(option: Option[Any]) -> str:
    key = f"`{option.key}`" if option.key else ""
    variable = f"`{option.variable}`" + (", *own*" if option.is_own else "")
    cells = (key, variable, option.kind.name, _default(option), option.help)
    return f"| {' | '.join(cells)} |"


def _default(option: Option[Any]) -> str:
    if option.otherwise:
        return option.otherwise
    if isinstance(option.default, bool):
        return str(option.default).lower()
    if option.default in ("", ()):
        return "not set"
    return f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
