"""The admin of quarantine: received messages that cannot be read."""

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from atoll.admin.confirming import asks_first
from atoll.bus.admin import decisions
from atoll.bus.admin.decisions import Question
from atoll.bus.admin.large_bodies import Body
from atoll.bus.admin.ledger import Change, LedgerAdmin
from atoll.bus.admin.look import DANGER, ChoicesFilter, TimeFilter, action
from atoll.bus.inbox import senders
from atoll.bus.models import Quarantine
from atoll.bus.operations import recovery
from atoll.bus.operations.recovery import RowIds


@admin.register(Quarantine)
class QuarantineAdmin(LedgerAdmin):
    bodies: ClassVar = {"body": Body(Quarantine, "body")}
    list_display = (
        "queue", "state", "routing_key", "reason_shown", "size", "arrivals", "is_cut", "received_at", "note",
    )  # fmt: skip
    list_filter = (("status", ChoicesFilter), ("received_at", TimeFilter))
    search_fields = ("queue", "routing_key", "reason", "digest")
    search_help_text = "Queue, routing key, reason or digest"
    date_hierarchy = "received_at"
    exclude = ("body", "body_bytes")
    readonly_fields = ("size", "text")
    actions = ("replay", "discard", "vouch")
    actions_detail = ("replay_this", "discard_this", "vouch_this")

    @admin.display(description="reason", ordering="reason")
    def reason_shown(self, row: Quarantine) -> str:
        return row.reason

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantine]:
        rows: QuerySet[Quarantine] = super().get_queryset(request)
        return rows.annotate(octets=Coalesce("body_bytes", recovery.BODY_BYTES))

    @admin.display(description="bytes", ordering="octets")
    def size(self, row: Any) -> int:
        """Return the length of the whole received body."""
        return int(row.octets)

    @admin.display(description="body")
    def text(self, row: Quarantine) -> SafeString | str:
        """Return the first bytes as text, with bytes that are not UTF-8 escaped."""
        return self.preview("body", row.pk, row.pk)

    @admin.action(description="Read again and deliver", permissions=["decide"])
    def replay(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        self.act(request, rows, "delivered", _replay)

    @admin.action(description="Discard", permissions=["decide"])
    def discard(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> HttpResponse | None:
        answer: HttpResponse | None = self.discard_chosen(request, rows) if self.reason(request) else None
        return answer

    @asks_first(
        warning="These messages are never delivered. Their rows stay here until retention deletes them.",
        button="Discard unreadable messages",
    )
    def discard_chosen(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        reason = self.reason(request)
        self.act(request, rows, f"discarded: {reason}", _discard(reason))

    def affected(self, rows: QuerySet[Quarantine]) -> list[str]:
        waiting = rows.filter(status=Quarantine.Status.WAITING).count()
        return [f"Messages that wait for a decision: {waiting:,}. Others stay as they are."]

    @admin.action(description="Deliver, whoever sent it", permissions=["vouch"])
    def vouch(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> HttpResponse | None:
        answer: HttpResponse | None = self.vouch_chosen(request, rows) if self.reason(request) else None
        return answer

    @asks_first(
        warning="They are delivered under the senders' names that they contain. Neither the broker's user "
        "nor the contracts are checked: you vouch for their content.",
        button="Deliver messages",
    )
    def vouch_chosen(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        self._vouch(request, rows, self.reason(request))

    @action(description="Read again…", permissions=["decide"], url_path="replay", icon="replay")
    def replay_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rows, question = self._about(request, object_id)
        return decisions.ask(
            request,
            Question(
                title="Read again and deliver",
                warning="The current handlers and schemas read it. If that succeeds, it is delivered.",
                button="Read again",
                **question,
            ),
            lambda _: self.act(request, rows, "delivered", _replay),
        )

    @action(
        description="Discard…",
        permissions=["decide"],
        url_path="discard",
        icon="delete",
        variant=DANGER,
    )
    def discard_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rows, question = self._about(request, object_id)
        return decisions.ask(
            request,
            Question(
                title="Discard an unreadable message",
                warning="The message is never delivered. Its row stays here until retention deletes it.",
                button="Discard",
                needs_reason=True,
                **question,
            ),
            lambda reason: self.act(request, rows, f"discarded: {reason}", _discard(reason)),
        )

    @action(description="Deliver, whoever sent it…", permissions=["vouch"], url_path="vouch", icon="gavel")
    def vouch_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rows, question = self._about(request, object_id)
        return decisions.ask(
            request,
            Question(
                title="Deliver a message, whoever sent it",
                warning="It is delivered under the sender's name that it contains. Neither the broker's user "
                "nor the contracts are checked: you vouch for its content.",
                button="Deliver",
                needs_reason=True,
                **question,
            ),
            lambda reason: self._vouch(request, rows, reason),
        )

    def has_vouch_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Only administrators vouch for a message whose sender is not proven."""
        return self.may(request, "vouch")

    def _vouch(self, request: HttpRequest, rows: QuerySet[Quarantine], reason: str) -> None:
        self.act(request, rows, f"delivered, whoever sent it: {reason}", _replay_unchecked)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer actions only while the row waits for a decision."""
        row = self.get_object(request, object_id)
        if row is None or row.status != Quarantine.Status.WAITING:
            return []
        hidden = {"replay_this", "vouch_this"} if row.is_cut else set()
        if not _are_senders_checked():
            hidden.add("vouch_this")
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.action_name.rpartition("_quarantine_")[2] not in hidden]

    def _about(self, request: HttpRequest, object_id: str) -> tuple[QuerySet[Quarantine], dict[str, Any]]:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404("Nothing of that id is in quarantine.")
        rows = Quarantine.objects.filter(pk=row.pk)
        facts = [
            ("Queue", row.queue),
            ("Routing key", row.routing_key),
            ("Why", row.reason),
            ("Arrived", row.received_at),
        ]
        back_to = reverse("admin:atoll_bus_quarantine_change", args=[object_id])
        return rows, {"facts": facts, "back_to": back_to}


def _are_senders_checked() -> bool:
    """Whether senders are checked. True with broken settings: the replay then fails and gives the reason."""
    try:
        return senders.are_checked()
    except ImproperlyConfigured:
        return True


def _replay(ids: RowIds, *, checks_sender: bool = True) -> int:
    """Replay the rows one after the other, so that only one body is in memory."""
    chosen = list(Quarantine.objects.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True))
    return sum(recovery.replay_quarantined(row_id, checks_sender=checks_sender) for row_id in chosen)


_replay_unchecked = partial(_replay, checks_sender=False)


def _discard(reason: str) -> Change:
    return lambda ids: recovery.discard_quarantined(ids, reason)
