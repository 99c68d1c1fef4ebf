"""From a span to the row that it is about, in the admin of its service."""

from dataclasses import dataclass
from urllib.parse import quote

from atoll import conf
from registry.console.admins import admin_page
from registry.models import Span


@dataclass(frozen=True)
class Link:
    title: str
    url: str


def of_span(span: Span) -> list[Link]:
    """Links to the message, the delivery or the request; none where the admin's address is not known."""
    project = _project(span.service)
    if project is None:
        return []
    attributes = span.attributes
    message = quote(str(attributes.get("messaging.message.id", "")))
    links = []
    if span.kind == "producer" and message:
        table = "inbox" if attributes.get("messaging.operation.name") == "schedule" else "outbox"
        links.append(Link("Message", admin_page(project, f"atoll_bus/{table}/?q={message}")))
    if span.kind == "consumer" and (delivery := attributes.get("atoll.delivery")):
        links.append(
            Link("Delivery", admin_page(project, f"atoll_bus/delivery/{quote(str(delivery))}/change/"))
        )
    if span.kind == "server" and project == "gateway" and span.correlation_id:
        wanted = quote(span.correlation_id)
        links.append(Link("Request log", admin_page(project, f"gateway/requestlog/?q={wanted}")))
    return [link for link in links if link.url]


def _project(service: str) -> str | None:
    for project in conf.projects().values():
        if project.service == service:
            return project.name
    return None
