"""Pages of an app beside its lists of rows. The menu shows them above the lists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse

from atoll.admin.refusals import require

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Page:
    app_label: str
    address: str
    name: str
    view: View
    permission: str
    title: str


_pages: dict[str, Page] = {}


def register_page(
    app_label: str, address: str, view: View, *, name: str, permission: str, title: str = ""
) -> None:
    """Serve ``view`` to staff at ``/admin/APP_LABEL/ADDRESS`` as ``admin:NAME``.

    Staff without ``permission`` get 403 with the role that has it; a visitor gets the sign-in page. With a
    ``title`` the menu and the index lead there. Register in ``admin.py``; the name replaces an
    earlier one.
    """
    _pages[name] = Page(app_label, address, name, view, permission, title)


def page_urls(wrap: Callable[[View], View]) -> list[URLPattern]:
    """The pages of all apps, for a site."""
    return [
        path(f"{page.app_label}/{page.address}", wrap(_permitted(page)), name=page.name)
        for page in _pages.values()
    ]


def page_urls_of(app_label: str, wrap: Callable[[View], View]) -> list[URLPattern]:
    """The pages of one app, for an admin class of the app at a site that does not serve them."""
    return [
        path(page.address, wrap(_permitted(page)), name=page.name)
        for page in _pages.values()
        if page.app_label == app_label
    ]


def menu_entries(request: HttpRequest, app_label: str) -> list[dict[str, Any]]:
    """Menu entries in the form of the models in Django's ``get_app_list``."""
    return [
        {
            "name": page.title,
            "object_name": page.name,
            "admin_url": _address(page),
            "add_url": None,
            "view_only": True,
            "perms": {"view": True},
        }
        for page in _pages.values()
        if page.title and page.app_label == app_label and request.user.has_perm(page.permission)
    ]


def permission_of(name: str) -> str | None:
    """The permission for the page ``admin:NAME``; None when no page has that name."""
    page = _pages.get(name.removeprefix("admin:"))
    return page.permission if page else None


def _permitted(page: Page) -> View:
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require(request, [page.permission])
        return page.view(request, *args, **kwargs)

    return view


def _address(page: Page) -> str | None:
    try:
        return reverse(f"admin:{page.name}")
    except NoReverseMatch:
        return None
