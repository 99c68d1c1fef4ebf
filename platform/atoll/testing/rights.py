"""Opens every page of an admin with every role, and lists the roles that each page admits.

    from atoll.testing.rights import ANY_STAFF, BUS_PAGES, NOBODY, walk

    def test_every_page_is_for_its_roles(sign_in):
        assert walk(sign_in) == {**ANY_STAFF, **BUS_PAGES, "orders_order_changelist": "support", ...}

The result has a line for each address, for each form that writes and for each action of a list.
Its value names the roles beside the administrator, ``""`` for none. A new page makes the walk differ from
the table.
"""

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

from atoll.admin import site
from atoll.admin.guarded import base_actions
from atoll.identity.backends import mirror
from atoll.identity.roles import ADMIN, CATALOGUE, OPERATOR, SUPPORT
from atoll.ids import uuid7

__all__ = [
    "ANYBODY",
    "ANY_STAFF",
    "API_PAGES",
    "BUS_PAGES",
    "NOBODY",
    "member",
    "model_pages",
    "signed_in",
    "walk",
]

NOBODY = "nobody"
ANYBODY = "catalogue operator support"
NEEDS = b"needs the role"
WRITING = ("_add", "_change", "_delete")
BACKEND = "atoll.identity.backends.AccountBackend"

SignIn = Callable[[str], Client]

ANY_STAFF = dict.fromkeys(
    (
        "app_list",
        "autocomplete",
        "index",
        "jsi18n",
        "login",
        "logout",
        "no such page",
        "search",
        "view_on_site",
    ),
    ANYBODY,
)


def model_pages(
    name: str, *, view: str, add: str = NOBODY, change: str = NOBODY, delete: str = NOBODY
) -> dict[str, str]:
    """The lines of Django's own pages for a model; ``name`` is like ``orders_order``."""
    return {
        **dict.fromkeys((f"{name}_changelist", f"{name}_export", f"{name}_change", f"{name}_history"), view),
        **dict.fromkeys((f"{name}_add", f"POST {name}_add"), add),
        f"POST {name}_change": change,
        **dict.fromkeys((f"{name}_delete", f"POST {name}_delete"), delete),
    }


LOOKERS = "operator support"
BUS_PAGES = {
    **model_pages("atoll_bus_delivery", view=LOOKERS),
    **model_pages("atoll_bus_inbox", view=LOOKERS),
    **model_pages("atoll_bus_outbox", view=LOOKERS),
    **model_pages("atoll_bus_quarantine", view=LOOKERS),
    **dict.fromkeys(
        (
            "atoll_bus_dead_group",
            "atoll_bus_dead_letters",
            "atoll_bus_decisions",
            "atoll_bus_delivery_download_body",
            "atoll_bus_delivery_download_edited_body",
            "atoll_bus_handlers",
            "atoll_bus_inbox_download_body",
            "atoll_bus_outbox_download_body",
            "atoll_bus_overview",
            "atoll_bus_overview_figures",
            "atoll_bus_quarantine_download_body",
            "atoll_bus_where",
        ),
        LOOKERS,
    ),
    **dict.fromkeys(
        (
            "atoll_bus_dead_discard",
            "atoll_bus_dead_replay",
            "atoll_bus_delivery_discard_this",
            "atoll_bus_delivery_replay_this",
            "atoll_bus_quarantine_discard_this",
            "atoll_bus_quarantine_replay_this",
            "atoll_bus_retire",
            "atoll_bus.delivery: discard",
            "atoll_bus.delivery: replay",
            "atoll_bus.outbox: discard",
            "atoll_bus.outbox: publish_now",
            "atoll_bus.quarantine: discard",
            "atoll_bus.quarantine: replay",
        ),
        "operator",
    ),
    **dict.fromkeys(
        ("atoll_bus_delivery_edit_this", "atoll_bus_quarantine_vouch_this", "atoll_bus.quarantine: vouch"), ""
    ),
}
API_PAGES = model_pages("atoll_api_idempotencyrecord", view=LOOKERS)


def member(*roles: str, username: str = "stan") -> Any:
    """The local row of a signed-in account with these roles. It is never looked up at users again."""
    return mirror(username, "stan@example.com", "Stan Staff", frozenset(roles))


def signed_in(*roles: str) -> Client:
    """A browser signed in to a project's admin with these roles."""
    client = Client()
    client.force_login(member(*roles), backend=BACKEND)
    return client


def walk(sign_in: SignIn = signed_in) -> dict[str, str]:
    """Every page, writing form and list action of this project's admin, with the roles that it admits.

    ``sign_in(role)`` returns a browser. The ids belong to no row, so nothing is changed.
    """
    found: dict[str, list[str]] = {}
    administrators: set[str] = set()
    for role in (CATALOGUE, OPERATOR, SUPPORT, ADMIN):
        client = sign_in(role)
        for name, status, content in _answers(client):
            assert status < 500, (name, role, status)
            may = not _is_refused(name, status, content)
            if role == ADMIN:
                administrators |= {name} if may else set()
            elif may:
                found.setdefault(name, []).append(role)
            else:
                found.setdefault(name, [])
    return {name: " ".join(roles) if name in administrators else NOBODY for name, roles in found.items()}


def _is_refused(name: str, status: int, content: bytes) -> bool:
    """Whether the role is refused. An action on a row that does not exist is 403 for every role."""
    return status == 403 and (NEEDS in content or name.endswith(WRITING))


def _answers(client: Client) -> Iterator[tuple[str, int, bytes]]:
    for name, path in _paths():
        yield name, *_ask(client.get(path))
        if name.endswith(WRITING):
            yield f"POST {name}", *_ask(client.post(path, {}))
    for model, admin in site._registry.items():
        place = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        offered = [name for _function, name in base_actions(admin)]
        for name in offered:
            if name == "delete_selected" and "delete" in admin.never:
                continue
            chosen = {"action": name, "_selected_action": [_no_id(model)], "index": "0"}
            yield f"{model._meta.label_lower}: {name}", *_ask(client.post(place, chosen))


def _ask(answer: Any) -> tuple[int, bytes]:
    return answer.status_code, b"" if answer.streaming else answer.content


def _paths() -> Iterator[tuple[str, str]]:
    """The name and a concrete address of each page of the site."""
    models = {f"{model._meta.app_label}/{model._meta.model_name}/": model for model in site._registry}
    for url in site.urls[0]:
        route = _route(url)
        if isinstance(url, URLResolver):
            for inner in url.url_patterns:
                if (
                    isinstance(inner, URLPattern) and inner.name
                ):  # the page without a name is Django's redirect from former addresses
                    yield inner.name, f"/admin/{route}{_filled(_route(inner), models[route])}"
        elif url.name == "app_list":
            yield url.name, f"/admin/{next(iter(models)).partition('/')[0]}/"
        elif url.name is None:
            yield "no such page", "/admin/no-such-page/"
        else:
            yield url.name, f"/admin/{_filled(route, None)}"


def _route(url: URLPattern | URLResolver) -> str:
    return str(url.pattern) if isinstance(url.pattern, RoutePattern) else ""


def _filled(route: str, model: type[Model] | None) -> str:
    return (
        route.replace("<path:object_id>", _no_id(model))
        .replace("<path:content_type_id>", "1")
        .replace("<str:form>", "csv")
    )


def _no_id(model: type[Model] | None) -> str:
    """An id of the model's type that no row has."""
    kind = model._meta.pk.get_internal_type() if model else ""
    return str(uuid7()) if kind == "UUIDField" else "no-such" if kind == "CharField" else "999999"
