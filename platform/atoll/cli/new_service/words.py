"""The forms of a service's name that its files need, and the rules for a name."""

import keyword
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from atoll import conf
from atoll import settings as base
from atoll.cli import help as verbs

NAME = re.compile(r"[a-z]{2,20}(-[a-z]{2,20})?")
MIN_LETTERS, MAX_LETTERS = 3, 20

# Nouns with one form for singular and plural, or with only one of the two.
UNCOUNTABLE = {
    "news", "series", "species", "means", "headquarters", "sms", "gps", "gas", "lens", "chess", "data",
    "media",
}  # fmt: skip
IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "criteria": "criterion", "indices": "index", "matrices": "matrix",
    "analyses": "analysis", "quizzes": "quiz", "leaves": "leaf", "shelves": "shelf", "knives": "knife",
    "lives": "life", "halves": "half", "shoes": "shoe", "toes": "toe",
    "caches": "cache", "niches": "niche", "axes": "axis",
}  # fmt: skip
# Plurals in -ies of a singular in -ie, not in -y.
IE = {
    "movie",
    "cookie",
    "calorie",
    "zombie",
    "tie",
    "pie",
    "lie",
    "die",
    "selfie",
    "genie",
    "brownie",
    "hoodie",
}

# Classes that the files of a service import: its model cannot have their names.
CLASSES = {"request", "response", "principal", "model", "query-set", "not-found", "message"}
# Addresses of every project, and folders, engines and processes beside the projects.
PLACES = {
    "health", "metrics", "schema", "docs", "bus", "static", "favicon", "auth", "well-known", "user",
    "atoll", "demo", "load", "tests", "bench", "deploy", "platform", "services", "library",
    "postgres", "redis", "valkey", "rabbitmq", "keeper", "init", "architecture", "contracts", "journeys",
    "chaos", "workers", "types",
}  # fmt: skip
PROCESSES = ("worker", "workers", "setup", "service", "services")


class Unfit(Exception):
    """The name cannot be a service's. The message gives the reason in one line."""


@dataclass(frozen=True)
class Names:
    """``project`` is the given name, such as ``order-items``; ``one`` is its singular, ``order-item``.

    The two are equal where the name is singular or has no plural: ``stock``, ``news``.
    """

    project: str
    one: str
    port: int

    @property
    def service(self) -> str:
        return f"{self.one}-service"

    @property
    def package(self) -> str:
        return self.project.replace("-", "_")

    @property
    def words(self) -> dict[str, str]:
        snake, plain = self.one.replace("-", "_"), self.one.replace("-", " ")
        head, *tail = self.one.split("-")
        return {
            "project": self.project,
            "names": self.package,
            "Names": "".join(word.capitalize() for word in self.project.split("-")),
            "NAMES": self.package.upper(),
            "things": self.project.replace("-", " "),
            "Things": self.project.replace("-", " ").capitalize(),
            "name": snake,
            "Name": "".join(word.capitalize() for word in self.one.split("-")),
            "thing": plain,
            "Thing": plain.capitalize(),
            "camel": head + "".join(word.capitalize() for word in tail),
            "event": self.one,
            "service": self.service,
            "database": f"{snake}_service_db",
            "role": f"{snake}_service",
            "port": str(self.port),
        }


def names(given: str) -> Names:
    """Raises Unfit for anything but one free word of 3 to 20 letters, or two that have 20 together."""
    project = re.sub(r"[ _-]+", "-", given.strip(" "))
    letters = len(project.replace("-", ""))
    if not NAME.fullmatch(project) or not MIN_LETTERS <= letters <= MAX_LETTERS:
        raise Unfit(
            f"{given!r} is no name for a service: one or two words in lower case, {MIN_LETTERS} to "
            f"{MAX_LETTERS} letters in all, such as `reviews` or `order-items`."
        )
    first, dash, last = project.rpartition("-")
    one = f"{first}{dash}{singular(last)}"
    rows = tomllib.loads((conf.root() / "projects.toml").read_text())
    _refuse_taken(project, one, rows)
    # The ports as the file has them, without ATOLL_PORT_OFFSET.
    return Names(project, one, port=max(row["port"] for row in rows.values()) + 1)


def singular(word: str) -> str:
    """The singular of a word; the word itself when it is no plural."""
    if word in UNCOUNTABLE or word.endswith(("ics", "ss", "us", "is")):
        return word
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-1] if word[:-1] in IE else f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "zzes", "ches", "shes", "oes")):
        return word[:-2]
    if word.endswith("uses") and not word.endswith(("ouses", "auses")) and len(word) > 4:
        return word[:-2]
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _refuse_taken(project: str, one: str, rows: dict[str, dict[str, str]]) -> None:
    package = project.replace("-", "_")
    if keyword.iskeyword(package) or keyword.iskeyword(one):
        raise Unfit(f"`{project}` is a word of Python: no package can be called so.")
    labels = {
        app.partition(".apps.")[0].rpartition(".")[2] for app in [*base.ADMIN_APPS, *base.PLATFORM_APPS]
    }
    taken = {*rows, *PLACES, *verbs.verbs(), *(name.replace("_", "-") for name in labels)}
    if project in taken or one in CLASSES or project.startswith("test-") or project == "test":
        raise Unfit(f"`{project}` is taken, by a project or by a part that every project has or uses.")
    if project.endswith(tuple(f"-{process}" for process in PROCESSES)):
        raise Unfit(f"`{project}` would be taken for a process of another service.")
    if (conf.root() / "services" / package).exists() or _folders(package).exists():
        raise Unfit(f"`{project}` is taken: there is a folder {package}.")
    services = {row["service"] for row in rows.values()}
    ones = {singular(name.rpartition("-")[2]) for name in rows}
    if f"{one}-service" in services or one in ones:
        raise Unfit(f"Another project is already called {one}-service on the wire, or keeps the same.")


def _folders(package: str) -> Path:
    return conf.root() / package
