"""The ledger: the tables of published messages, received messages and their deliveries.

The rows are the source of truth. The broker carries copies of messages, and Celery
carries only hints. The hot paths use the SQL of ``outbox/store.py``,
``inbox/store.py`` and ``delivery/store.py``.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from atoll.postgresql.arrays import ArrayField

__all__ = [
    "Delivery",
    "Forgotten",
    "Inbox",
    "KeySequence",
    "KnownHandler",
    "Outbox",
    "Quarantine",
    "Reception",
]


class Kind(models.TextChoices):
    EVENT = "event"
    COMMAND = "command"


class Outbox(models.Model):
    """A message of this service, written in the transaction of the change that it announces.

    ``id`` gives the order of the announcements. The relay may publish the row from
    ``next_attempt_at`` on.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        PUBLISHED = "published"
        DISCARDED = "discarded"

    id = models.BigAutoField(primary_key=True)
    message_id = models.UUIDField(unique=True)
    kind = models.TextField(choices=Kind)
    name = models.TextField(help_text="Event type or command.")
    destination = models.TextField(help_text="Routing key: the event type, or the service commanded.")
    key = models.TextField(default="", help_text="Messages of one key are published in order.")
    key_sequence = models.BigIntegerField(null=True)
    body = models.TextField(help_text="The envelope exactly as it goes on the wire.")
    correlation_id = models.TextField(db_index=True)
    traceparent = models.TextField(db_default="", help_text="Where in a trace it was published.")
    status = models.TextField(choices=Status, default=Status.PENDING)
    attempts = models.IntegerField(default=0, help_text="Refusals by the broker. An outage does not count.")
    error = models.TextField(default="")
    next_attempt_at = models.DateTimeField()
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "outbox"
        permissions = [("decide_outbox", "Can publish again and discard messages")]
        ordering = ["-id"]
        indexes = [
            models.Index("id", "next_attempt_at", name="outbox_pending", condition=Q(status="pending")),
            models.Index("key", "id", name="outbox_pending_key", condition=Q(status="pending") & ~Q(key="")),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.message_id}"


class KeySequence(models.Model):
    """The number of the last message of a key. The row lock orders the transactions of one key."""

    key = models.TextField(primary_key=True)
    last = models.BigIntegerField()
    used_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.key}: {self.last}"


class Inbox(models.Model):
    """A received message. One row stands for all copies that the broker delivered."""

    id = models.BigAutoField(primary_key=True)
    dedupe_key = models.TextField(unique=True)
    message_id = models.TextField()
    kind = models.TextField(choices=Kind)
    name = models.TextField(help_text="Event type or command.")
    body = models.TextField(help_text="The received envelope, including unknown fields.")
    service_id = models.TextField(help_text="The sender's name.")
    correlation_id = models.TextField(db_index=True)
    traceparent = models.TextField(db_default="", help_text="The span that sent it (W3C Trace Context).")
    version = models.IntegerField(default=1)
    key = models.TextField(default="")
    key_sequence = models.BigIntegerField(null=True)
    sent_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "inbox"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} {self.message_id}"


class Delivery(models.Model):
    """One message for one handler: its attempts and its outcome.

    A pending delivery may run from ``next_attempt_at`` on. The lease of a running
    delivery ends at ``next_attempt_at``, or earlier with the database session that
    claimed the delivery. At ``hint_at`` the sweep sends another hint. Deliveries of one
    handler and one ``lane`` run one at a time, by ``position``. Deliveries without a
    lane run in any order.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        IGNORED = "ignored"
        DEAD = "dead"
        CANCELLED = "cancelled"
        DISCARDED = "discarded"

    class WaitsFor(models.TextChoices):
        TURN = "turn", "its turn in its lane"
        CODE = "code", "a worker with its handler's code"

    id = models.UUIDField(primary_key=True)
    # The unique constraint on message and handler is the index.
    message = models.ForeignKey(Inbox, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    handler = models.TextField()
    status = models.TextField(choices=Status, default=Status.PENDING)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    hint_at = models.DateTimeField()
    hints = models.IntegerField(default=0)
    waits_for = models.TextField(
        choices=WaitsFor, default="", db_default="", help_text="The reason why the delivery gets no hints."
    )
    session = models.IntegerField(null=True)
    claimed_at = models.DateTimeField(null=True)
    token = models.TextField(default="", help_text="Names a timer, so that it can be cancelled.")
    lane = models.TextField(
        default="", db_default="", help_text="sender/key. Deliveries of one lane run one at a time."
    )
    position = models.BigIntegerField(null=True, help_text="The position in the lane.")
    edited_body = models.TextField(
        default="", db_default="", help_text="The body that runs in place of the received body."
    )
    error = models.TextField(default="")
    error_group = models.TextField(
        default="",
        db_default="",
        help_text="The cause that all failures of one group share.",
    )
    first_failed_at = models.DateTimeField(
        null=True, help_text="The first failure since the arrival or the last replay."
    )
    traceback = models.TextField(default="")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [
            ("decide_delivery", "Can replay and discard deliveries, and retire handlers"),
            ("edit_delivery", "Can edit the data of dead deliveries"),
        ]
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint("message", "handler", name="delivery_once_per_handler"),
            models.UniqueConstraint(
                fields=["handler", "lane"],
                name="delivery_one_per_lane",
                condition=Q(status="running") & ~Q(lane=""),
            ),
        ]
        indexes = [
            models.Index("hint_at", name="delivery_open", condition=Q(status__in=["pending", "running"])),
            models.Index("token", name="delivery_timer", condition=~Q(token="")),
            models.Index("created_at", name="delivery_dead", condition=Q(status="dead")),
            # Only failures write it.
            models.Index(
                "next_attempt_at",
                name="delivery_failing",
                condition=Q(status__in=["pending", "running"]) & ~Q(error=""),
            ),
            models.Index(
                "handler",
                "lane",
                "position",
                "id",
                name="delivery_lane_open",
                condition=Q(status__in=["pending", "running", "dead"]) & ~Q(lane=""),
            ),
            models.Index(
                "handler",
                "lane",
                "position",
                name="delivery_lane_done",
                condition=Q(status__in=["done", "ignored"]) & ~Q(lane=""),
            ),
            models.Index(
                "handler",
                name="delivery_unattended",
                condition=Q(status__in=["pending", "running"], waits_for="code"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handler} {self.id}"


class KnownHandler(models.Model):
    """A handler of this service and one event, pattern or command that it handles.

    Every version of the service's code writes its handlers here before it runs
    (``handlers/known.py``). Every few seconds a worker that has the handler's code renews
    ``seen_at``. A retired handler gets no deliveries.
    """

    handler = models.TextField()
    aliases = ArrayField(models.TextField(), default=list, help_text="Earlier names of the handler.")
    kind = models.TextField(choices=Kind)
    name = models.TextField(help_text="Event type, pattern of event types, or command.")
    ordered = models.BooleanField(default=False)
    known_since = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    seen_by = models.TextField(default="", help_text="Host and process of the worker that was last seen.")
    seen_ordered_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    retired_by = models.TextField(default="")
    why = models.TextField(default="", help_text="The reason for the retirement.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["handler", "kind", "name"], name="known_handler_once"),
        ]

    def __str__(self) -> str:
        return f"{self.handler}: {self.kind} {self.name}"


class Forgotten(models.Model):
    """A deleted account. Its personal data leaves the messages (``operations/personal_data.py``)."""

    subject = models.TextField(primary_key=True, help_text="The account's id.")
    at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True, help_text="When the last erasure of its messages ended.")

    class Meta:
        verbose_name_plural = "forgotten accounts"

    def __str__(self) -> str:
        return self.subject


class Quarantine(models.Model):
    """An unreadable message, kept up to the limits of ``inbox/quarantine.py``."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        REPLAYED = "replayed"
        DISCARDED = "discarded"

    id = models.BigAutoField(primary_key=True)
    digest = models.TextField(unique=True, help_text="SHA-256 of the queue and the message.")
    queue = models.TextField()
    routing_key = models.TextField()
    body = models.BinaryField()
    body_bytes = models.BigIntegerField(null=True, help_text="The length of the whole received body.")
    body_sha256 = models.TextField(default="", db_default="", help_text="SHA-256 of the whole body.")
    is_cut = models.BooleanField(
        default=False, db_default=False, help_text="Only a part was kept; it cannot be read again."
    )
    arrivals = models.BigIntegerField(
        default=1, db_default=1, help_text="The number of arrivals that this row counts."
    )
    properties = models.JSONField(default=dict)
    headers = models.JSONField(default=dict)
    reason = models.TextField()
    status = models.TextField(choices=Status, default=Status.WAITING)
    note = models.TextField(default="", help_text="The reason for the discard, or the result of the replay.")
    received_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "quarantine"
        permissions = [
            ("decide_quarantine", "Can replay and discard unreadable messages"),
            ("vouch_quarantine", "Can deliver messages whose sender is not proven"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.queue}: {self.reason}"


class Reception(models.Model):
    """Whether this service receives its messages: one row, written by the consuming processes."""

    id = models.SmallIntegerField(primary_key=True)
    consumed_at = models.DateTimeField(
        null=True, help_text="When a consumer last reported that it receives messages."
    )
    problem = models.TextField(db_default="", help_text="The problem that a consumer last reported.")
    is_away = models.BooleanField(
        db_default=False, help_text="Whether the broker or the database does not answer."
    )
    problem_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"consumed at {self.consumed_at}"
