"""The looks of every admin. Settings import this module, so it must not import apps."""

from typing import Any

from django.templatetags.static import static

from atoll import conf

__all__ = ["environment_badge", "unfold_settings"]

_TEAL = {
    "50": "#f0fdfa",
    "100": "#ccfbf1",
    "200": "#99f6e4",
    "300": "#5eead4",
    "400": "#2dd4bf",
    "500": "#14b8a6",
    # Tailwind's 700 and 800: white on its 600, and its 600 on white, are hard to read.
    "600": "#0f766e",
    "700": "#115e59",
    "800": "#134e4a",
    "900": "#134e4a",
    "950": "#042f2e",
}
_TONES = {"production": "danger", "test": "info"}


def environment_badge(request: Any) -> list[str]:
    """Unfold's ENVIRONMENT callback: a badge with the environment of this admin."""
    name = conf.environment()
    return [name.capitalize(), _TONES.get(name, "success")]


def _icon(request: Any) -> str:
    return static("atoll/admin/atoll.svg")


def _style(request: Any) -> str:
    return static("atoll/admin/atoll.css")


def _places() -> list[dict[str, str]]:
    """The console and the admins of all projects, where their addresses are known: one menu everywhere."""
    console = conf.console_url()
    found = [{"icon": "dashboard", "title": "Console", "link": console}] if console else []
    for name in conf.projects():
        url = conf.admin_url(name)
        if url:
            found.append({"icon": "table_view", "title": name.capitalize(), "link": url})
    return found


def unfold_settings(project_title: str, *, describes_its_api: bool = True) -> dict[str, Any]:
    """The ``UNFOLD`` setting of a project: ``unfold_settings("Atoll orders")``.

    ``describes_its_api``: whether the project serves ``/docs``.
    """
    described = [{"icon": "description", "title": "API", "link": "/docs"}] if describes_its_api else []
    return {
        "SITE_TITLE": project_title,
        "SITE_HEADER": project_title,
        # No "Return to site" on the sign-in page: the project has no site beside its admin.
        "SITE_URL": None,
        "SITE_ICON": _icon,
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
        "STYLES": [_style],
        "SITE_DROPDOWN": [
            *_places(),
            *described,
            {"icon": "monitor_heart", "title": "Health", "link": "/health"},
            {"icon": "query_stats", "title": "Metrics", "link": "/metrics"},
        ],
        "ENVIRONMENT": "atoll.admin.theme.environment_badge",
        "COLORS": {"primary": _TEAL},
        "SHOW_VIEW_ON_SITE": False,
        "SIDEBAR": {"show_search": True, "show_all_applications": False},
    }
