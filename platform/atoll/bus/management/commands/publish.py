"""``manage.py PROJECT publish EVENT JSON``: publish an event by hand."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from atoll import conf, context, wire
from atoll.bus import contracts, publishing
from atoll.bus.schemas import definitions, known_names
from atoll.errors import Misuse, Refusal


class Command(BaseCommand):
    help = "Write an event into this service's outbox; the relay publishes it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("event", help="event type, such as order.created")
        parser.add_argument("data", help="a JSON object, in camelCase as on the wire")
        parser.add_argument("--key", help="events of one key are published in order")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            data = wire.loads(options["data"].encode(errors="surrogateescape"))
        except Refusal as error:
            raise CommandError(error.message) from error
        if not isinstance(data, dict):
            raise CommandError("The data must be a JSON object.")
        try:
            demand_known(options["event"])
        except Misuse as error:
            raise CommandError(str(error)) from error
        correlation_id = context.new_correlation_id()
        try:
            with context.work(correlation_id=correlation_id), transaction.atomic():
                message_id = publishing.publish_raw(options["event"], data, key=options["key"])
        except Misuse as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{options['event']} {message_id} from {conf.service_name()}, correlation id {correlation_id}"
        )


def demand_known(event: str) -> None:
    """Raises Misuse when this project does not announce the event.

    The text names the service that does, or a similar event.
    """
    mine = definitions.announced(definitions.event_modules(), conf.service_name())
    known = [*mine, *(contracts.document() or [])]
    senders = {
        sender for one in known if (one.kind, one.name) == ("event", event) for sender in one.announcers
    }
    if not senders:
        meant = known_names.suggestion(event, known_names.event_names(known))
        raise Misuse(f"No event is called {event!r}. {meant}".strip())
    if conf.service_name() not in senders:
        raise Misuse(
            f"{event} is announced by {' and '.join(sorted(senders))}, not by {conf.service_name()}."
        )
