"""Search: an id or a word leads to the thing that it names.

The registry asks only what every service may know: whether an account, a product or a message exists. It
offers everything else as a search in the admin concerned, which asks for the role itself.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from atoll import conf
from atoll.client import Retry, ServiceClient
from atoll.errors import AtollError
from registry.console.admins import admin_page
from registry.console.pages import page, show
from registry.models import Instance
from registry.traces import journey as journeys

MAX_CHARACTERS = 200
MAX_SHOWN = 20
TIMEOUT_S = 1.5
AT_ONCE = 6


@dataclass(frozen=True)
class Hit:
    """``is_known``: it exists. Otherwise the admin is asked when the link is opened."""

    kind: str
    title: str
    url: str
    is_known: bool = True


@page
def search(request: HttpRequest) -> HttpResponse:
    """The only thing with exactly this id is opened at once; others are listed."""
    wanted = request.GET.get("q", "").strip()
    problem = ""
    hits: list[Hit] = []
    if len(wanted) > MAX_CHARACTERS:
        problem = f"A search has at most {MAX_CHARACTERS} characters."
    elif wanted:
        hits = [*instances(wanted), *journeys_of(wanted), *asked(wanted)]
        exact = [hit for hit in hits if hit.is_known and hit.title == wanted and hit.url]
        if len(exact) == 1 and sum(hit.is_known for hit in hits) == 1:
            return HttpResponseRedirect(exact[0].url)
        hits += elsewhere(wanted)
    context = {"hits": hits, "wanted": wanted[:MAX_CHARACTERS], "problem": problem}
    return show(request, "registry/console/search.html", "Search", context)


def instances(wanted: str) -> list[Hit]:
    found = Instance.objects.select_related("service").filter(
        Q(instance_id__icontains=wanted) | Q(service__name__icontains=wanted) | Q(host__iexact=wanted)
    )
    return [
        Hit("Instance", one.instance_id, admin_page("registry", f"registry/instance/{one.pk}/change/"))
        for one in found[:MAX_SHOWN]
    ]


def journeys_of(wanted: str) -> list[Hit]:
    """The journey of a correlation id or trace id: work that only read has left no message to find."""
    is_there = "/" not in wanted and journeys.is_kept(wanted)
    return [Hit("Journey", wanted, reverse("console:journey", args=[wanted]))] if is_there else []


def asked(wanted: str) -> list[Hit]:
    """The accounts, products and messages with this id. A service that does not answer has none."""
    questions: list[Callable[[], Hit | None]] = []
    if _is_uuid(wanted):
        questions += [lambda: _account(wanted), lambda: _product(wanted)]
    if " " not in wanted and "@" not in wanted:
        workers = [project for project in conf.projects().values() if project.worker]
        questions += [lambda one=one: _messages(one.name, one.service, wanted) for one in workers]  # type: ignore
    with ThreadPoolExecutor(AT_ONCE) as executor:
        answers = [executor.submit(copy_context().run, question) for question in questions]
        return [hit for answer in answers if (hit := answer.result()) is not None]


def elsewhere(wanted: str) -> Iterator[Hit]:
    """Searches in the admins for what only they may tell."""
    places = [("orders", "orders/order/", "Orders")]
    # Payments know the customer by the id, and an empty list would read as "nothing was paid".
    if "@" not in wanted:
        places.append(("payments", "payments/payment/", "Payments"))
    if not _is_uuid(wanted):
        places += [("users", "users/user/", "Accounts"), ("products", "products/product/", "Products")]
    for project, path, kind in places:
        url = admin_page(project, f"{path}?{urlencode({'q': wanted})}")
        if url:
            yield Hit(kind, f"{kind} with “{wanted}”", url, is_known=False)


def _account(wanted: str) -> Hit | None:
    is_there = _exists("user-service", f"/users/{wanted}")
    return Hit("Account", wanted, admin_page("users", f"users/user/{wanted}/change/")) if is_there else None


def _product(wanted: str) -> Hit | None:
    url = admin_page("products", f"products/product/{wanted}/change/")
    return Hit("Product", wanted, url) if _exists("product-service", f"/products/{wanted}") else None


def _messages(project: str, service: str, wanted: str) -> Hit | None:
    """Messages with this id or correlation id; the admin's page follows them through all services."""
    try:
        reply = _client(service).get("/bus/messages", params={"id": wanted})
        steps = reply.json().get("steps") if reply.ok else None
    except (AtollError, ImproperlyConfigured, ValueError, AttributeError):
        return None
    if not steps:
        return None
    url = admin_page(project, f"atoll_bus/where/?{urlencode({'q': wanted})}")
    return Hit("Messages", f"{len(steps)} steps in {service}", url)


def _exists(service: str, path: str) -> bool:
    try:
        return bool(_client(service).get(path).status == 200)
    except (AtollError, ImproperlyConfigured):
        return False


def _client(service: str) -> ServiceClient:
    return ServiceClient(service, timeout_s=TIMEOUT_S, retry=Retry(limit=0))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
