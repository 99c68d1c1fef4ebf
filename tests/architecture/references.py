"""Finds the files, modules and members that prose names, and says which of them do not exist.

Prose is a document, or the docstrings and comments of a file. Nothing is imported, since each project has
settings of its own: the syntax tree of a module tells its members.
"""

import ast
import io
import os
import re
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IGNORED = re.compile(
    r"\.(?:git|venv|atoll|.*_cache|hypothesis)|__pycache__|node_modules|.*\.egg-info|build|staticfiles"
)
# Pictures of documents have no prose.
PICTURE = ".jpg"
CONFIGURATION = {"Makefile", "Dockerfile", "Caddyfile", ".importlinter", ".env.example"}
# Other programs, and files that a document has its reader make.
ELSEWHERE = {"Node.js", "pip.conf", "report-routes.toml", "services/reviews", "orders/place_order.py"}
# The fixture that docs/testing.md describes goes by the name of the package.
FIXTURES = {"atoll_bus": "Bus"}

TOPS = "atoll|services|gateway|registry|demo|load|bench|tests"
FILE = re.compile(
    r"(?<![\w/.$*{<:-])((?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|yml|mjs|tmpl|html|css|js|txt)\b(?![\w/(=])"
    rf"|(?:platform|docs|deploy|requirements|\.ci|{TOPS})/[\w./-]*)"
)
DOTTED = re.compile(rf"(?<![\w./@-])(?:{TOPS})(?:\.[A-Za-z_]\w*)+\b(?!\.?[\w/])")
QUOTED = re.compile(r"`+([A-Za-z_]\w*)\.([A-Za-z_]\w*)(?:\([^`]*\))?`+")
PLACEHOLDER = re.compile(r"\b(?:[A-Z][A-Z_]+|X)\b")
PERMISSION = re.compile(r"(?:view|add|change|delete)_\w+")


@dataclass(frozen=True)
class Mention:
    file: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} names {self.name}"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


@cache
def files() -> tuple[Path, ...]:
    """The files that git tracks or would add; in a copy without git, all files that git would not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    paths = map(Path, listed.stdout.splitlines()) if listed.returncode == 0 else _walked()
    return tuple(path for path in paths if (ROOT / path).is_file())


def _walked() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if not IGNORED.fullmatch(name))
        yield from (Path(folder, name).relative_to(ROOT) for name in sorted(names))


@cache
def places() -> frozenset[str]:
    """Every file and folder under each end of its path: ``bus/models.py`` as well as the whole."""
    return frozenset(
        "/".join(path.parts[start:end])
        for path in files()
        for end in range(1, len(path.parts) + 1)
        for start in range(end)
    )


def bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds, and inside of a class the attributes of its instances."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield part.name
        elif isinstance(part, ast.alias):
            yield (part.asname or part.name).split(".")[0]
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield part.attr


def of_module(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        else:
            yield from bound(statement)


@cache
def modules() -> dict[str, frozenset[str]]:
    """The names in each module and package, by its dotted name."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in files():
        if path.suffix != ".py":
            continue
        parts = path.with_suffix("").parts
        parts = parts[1:] if parts[0] == "platform" else parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join(parts)].update(of_module(tree(path)))
        for end in range(1, len(parts)):
            found[".".join(parts[:end])].add(parts[end])
    return {name: frozenset(names) for name, names in found.items()}


@cache
def members() -> dict[str, frozenset[str]]:
    """The names in all modules of one last name, and in the class of an object that is called like it."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, names in modules().items():
        found[name.rpartition(".")[2]] |= names
    for name, names in found.items():
        names |= classes().get(FIXTURES.get(name, name.title().replace("_", "")), frozenset())
    return {name: frozenset(names) for name, names in found.items()}


@cache
def classes() -> dict[str, frozenset[str]]:
    """The names in each class, by its own name and those of classes of the repository under it."""
    own: dict[str, set[str]] = defaultdict(set)
    bases: dict[str, set[str]] = defaultdict(set)
    for path in files():
        if path.suffix != ".py":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                own[node.name].update(bound(node))
                bases[node.name] |= {ast.unparse(base).split(".")[-1] for base in node.bases}
    return {name: frozenset(own[name].union(*(own.get(b, ()) for b in bases[name]))) for name in own}


@cache
def strings() -> frozenset[str]:
    """Every text in the code: the names of events, tasks and loggers look like those of modules."""
    return frozenset(
        node.value
        for path in files()
        if path.suffix == ".py" and path.parts[:2] != ("tests", "architecture")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def is_place(name: str, beside: Path) -> bool:
    number = re.fullmatch(r"docs/decisions/(\d{4})", name)
    if number:
        return any((ROOT / "docs" / "decisions").glob(f"{number[1]}-*.md"))
    return name.strip("/") in places() or (ROOT / beside.parent / name).exists()


def is_module_or_member(name: str) -> bool:
    owner, _, member = name.rpartition(".")
    in_class = classes().get(owner.rpartition(".")[2], frozenset())
    return name in modules() or member in modules().get(owner, in_class) or name in strings()


def is_member(owner: str, member: str) -> bool:
    """Whether ``owner.member`` exists; names of other programs' modules and classes pass."""
    if owner[0].isupper():
        return owner not in classes() or member in classes()[owner]
    if owner not in members() or PERMISSION.fullmatch(member):
        return True
    return member in members()[owner] or f"{owner}.{member}" in strings()


def missing(text: str, beside: Path) -> Iterator[str]:
    """The names in ``text`` that nothing bears; ``beside`` is the file that holds it."""
    for name in FILE.findall(text):
        known = name.rstrip(".")
        if known in ELSEWHERE or known.strip("/") in ELSEWHERE:
            continue
        if not is_place(known, beside) and not PLACEHOLDER.search(known):
            yield known
    for name in DOTTED.findall(text):
        if not is_module_or_member(name) and not PLACEHOLDER.search(name):
            yield name
    for owner, member in QUOTED.findall(text):
        if f"{owner}.{member}" not in places() and not is_member(owner, member):
            yield f"{owner}.{member}"


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a document, the docstrings and comments of code, the comments of configuration."""
    if path.suffix == PICTURE:
        return
    text = (ROOT / path).read_text()
    if path.suffix == ".py":
        yield from docstrings_and_comments(text)
    elif path.suffix == ".md":
        yield from enumerate(text.splitlines(), 1)
    elif path.suffix in {".toml", ".yml"} or path.name in CONFIGURATION:
        yield from ((n, line) for n, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith("#"))


def docstrings_and_comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield node.body[0].lineno, docstring


def dead_names(path: Path) -> list[Mention]:
    return [Mention(path, line, name) for line, text in prose(path) for name in missing(text, path)]
