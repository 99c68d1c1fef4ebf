"""The rules that docs/map.md states for the rooms of a service, and a reader of code that finds breaches."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BROKER = ("celery", "kombu", "amqp")
NETWORK = ("requests", "urllib.request", "urllib3", "http.client", "socket", "smtplib", "redis", *BROKER)
HTTP = ("rest_framework", "django.http", "atoll.api")
# Django's ways to write, and the one that takes any SQL; each with its asynchronous twin.
_WRITES = (
    *("save", "delete", "update", "create", "get_or_create", "update_or_create"),
    *("bulk_create", "bulk_update", "select_for_update", "execute", "executemany"),
)
WRITES = frozenset(_WRITES) | {f"a{name}" for name in _WRITES}
PLAIN = ("__future__", "dataclasses", "datetime", "decimal", "enum", "typing", "uuid")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """``never`` may not be imported; where ``only`` is given, nothing else may. A name covers all below it.

    ``{service}`` stands for the package of the service. A query is a call of a manager, such as
    ``Order.objects.filter``; REST framework needs ``objects.none``, which reads nothing.
    """

    never: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    may_write: bool = True
    may_query: bool = True
    only_dataclasses: bool = False


RULES = {
    "api": Rule(
        never=("atoll.bus", "atoll.client", "{service}.clients", *NETWORK), may_write=False, may_query=False
    ),
    "usecases": Rule(never=("{service}.api", "atoll.client", *HTTP, *NETWORK)),
    "models.py": Rule(
        never=("{service}.usecases", "{service}.clients", "atoll.bus", "atoll.client", *HTTP, *NETWORK)
    ),
    "selectors.py": Rule(
        never=(
            *("{service}.usecases", "{service}.clients", "{service}.api", "atoll.bus", "atoll.client"),
            *(*HTTP, *NETWORK),
        ),
        may_write=False,
    ),
    "handlers.py": Rule(
        never=("{service}.models", "{service}.api", "django.db", "atoll.client", *HTTP, *NETWORK),
        may_write=False,
        may_query=False,
    ),
    "clients.py": Rule(
        never=("{service}.models", "{service}.selectors", "{service}.usecases", "django.db", *NETWORK),
        may_write=False,
        may_query=False,
    ),
    "events.py": Rule(only=PLAIN, only_dataclasses=True),
    "settings.py": Rule(never=("{service}", "atoll.bus", "atoll.api", "atoll.client", "django.db")),
    "": Rule(never=("{service}.api", "rest_framework", "atoll.api", "atoll.client", "requests", *BROKER)),
}
"""The rule of each room. The empty name stands for the modules that are an idea of one service alone."""


def faults(service: str, module: Path, source: str) -> Iterator[str]:
    """How the ``source`` of a module breaks the rule of its room; ``module`` is its path in the service."""
    rule, tree = RULES[room_of(module)], ast.parse(source)
    never = tuple(name.format(service=service) for name in rule.never)
    for name in sorted(imports(tree, [*service.split("."), *module.parts[:-1]])):
        if not _covers(rule.only, name) if rule.only else _covers(never, name):
            yield f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _call_faults(node.func, rule)
    if rule.only_dataclasses:
        yield from (f"line {node.lineno} is no dataclass" for node in tree.body if not _is_plain(node))


def _call_faults(called: ast.Attribute, rule: Rule) -> Iterator[str]:
    manager = called.value.attr if isinstance(called.value, ast.Attribute) else ""
    if not rule.may_write and called.attr in WRITES:
        yield f"line {called.lineno} writes: {ast.unparse(called)}"
    elif not rule.may_query and manager in {"objects", "_default_manager"} and called.attr != "none":
        yield f"line {called.lineno} queries: {ast.unparse(called)}"


def _is_plain(node: ast.stmt) -> bool:
    """An import, a constant, a docstring or a dataclass."""
    if not isinstance(node, ast.ClassDef):
        return isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign)
    return any(ast.unparse(decorator).startswith("dataclass") for decorator in node.decorator_list)


def _covers(names: tuple[str, ...], imported: str) -> bool:
    return any(imported == name or imported.startswith(f"{name}.") for name in names)


def imports(tree: ast.AST, package: list[str]) -> set[str]:
    """All dotted names that a module in ``package`` imports; ``from x import y`` gives ``x`` and ``x.y``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def room_of(module: Path) -> str:
    return module.parts[0] if module.parts[0] in RULES else ""
