"""The admins of all projects, for the menu and for links to their pages."""

from dataclasses import dataclass

from atoll import conf


@dataclass(frozen=True)
class Admin:
    """``url`` ends with a slash."""

    project: str
    title: str
    url: str


def admins() -> list[Admin]:
    """Every project with a known address of its admin (`conf.admin_url`)."""
    return [Admin(name, name.capitalize(), url) for name in conf.projects() if (url := conf.admin_url(name))]


def admin_page(project: str, path: str) -> str:
    """The address of a page of another admin, ``orders/order/?q=…``; empty when the admin's is not known."""
    url = conf.admin_url(project)
    return f"{url}{path}" if url else ""
