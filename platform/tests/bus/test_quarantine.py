"""Quarantine is bounded, and no admin page loads more of a body than it shows."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from testproject.models import Note

from atoll import wire
from atoll.bus import Message, checks, handles
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import quarantine
from atoll.bus.inbox.quarantine import HEAD_BYTES, Bounds
from atoll.bus.models import Delivery, Inbox, Outbox, Quarantine
from atoll.bus.operations import recovery
from atoll.conf.checks import check_options
from atoll.identity.roles import CATALOGUE, SUPPORT
from atoll.ids import uuid7
from atoll.testing.bus import Bus

ADMIN = "/admin/atoll_bus"
MIB = 1024 * 1024
HUGE = 64 * MIB
# What a page may add to the process, whatever it shows: far below one large body, let alone a list of them.
MAY_TAKE = 16 * MIB


@pytest.fixture(autouse=True)
def counted_anew() -> Iterator[None]:
    quarantine._kept.clear()
    yield
    quarantine._kept.clear()


def arrive(body: bytes, reason: str = "no JSON", **more: Any) -> Quarantine:
    facts: dict[str, Any] = {"properties": {}, "headers": {}} | more
    quarantine.add(Arrival("evt.library-service", "note.asked", body, **facts), reason)
    return Quarantine.objects.latest("received_at")


def bounded(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    monkeypatch.setattr(quarantine, "configured", lambda: Bounds(**bounds))


@pytest.mark.django_db
def test_an_oversized_body_is_kept_in_part_with_its_length_and_digest() -> None:
    body = b"[" + b"x" * (3 * MIB)
    row = arrive(body)
    assert bytes(row.body) == body[: wire.MAX_BYTES]
    assert (row.body_bytes, row.body_sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert (row.is_cut, row.arrivals) == (True, 1)
    assert arrive(body).pk == row.pk
    row.refresh_from_db()
    assert row.arrivals == 2
    other = arrive(body + b"y")
    assert (other.pk != row.pk, Quarantine.objects.count()) == (True, 2)


@pytest.mark.django_db
def test_a_body_within_the_limit_is_kept_whole() -> None:
    row = arrive(b"x" * wire.MAX_BYTES)
    assert (len(row.body), row.body_bytes, row.is_cut) == (wire.MAX_BYTES, wire.MAX_BYTES, False)


@pytest.mark.django_db
def test_past_the_bound_for_all_bodies_only_their_starts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, body_bytes=50_000, bodies_bytes=100_000)
    kept = [len(arrive(bytes([number]) * 40_000).body) for number in range(4)]
    assert kept == [40_000, 40_000, HEAD_BYTES, HEAD_BYTES]
    assert len(arrive(b"z" * 60_000).body) == HEAD_BYTES
    assert [len(arrive(b"small").body), len(arrive(b"").body)] == [5, 0]
    cut = list(Quarantine.objects.order_by("id").values_list("is_cut", flat=True))
    assert cut == [False, False, True, True, True, False, False]


@pytest.mark.django_db
def test_past_the_bound_for_rows_arrivals_are_counted_by_queue_and_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bounded(monkeypatch, rows=2)
    for number in range(10):
        arrive(b"%d" % number, reason="no JSON" if number % 2 else "no object")
    rows = list(Quarantine.objects.order_by("id"))
    assert [row.arrivals for row in rows] == [1, 1, 4, 4]
    assert "The quarantine is full" in rows[2].reason
    assert (bytes(rows[2].body), rows[2].is_cut) == (b"", True)
    told = [record.getMessage() for record in caplog.records if "counted and not kept" in record.getMessage()]
    assert len(told) == 8
    assert hashlib.sha256(b"9").hexdigest() in told[-1]


@pytest.mark.django_db
def test_how_much_is_kept_is_counted_again_where_others_add_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded(monkeypatch, rows=1)
    arrive(b"a")
    quarantine._kept.clear()
    assert arrive(b"b").digest != quarantine._digest("evt.library-service", "note.asked", b"b")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "kept", "is_cut"),
    [
        ({"a": "x\0y", "b": b"\xff", "c": 1.5}, {"a": "xy", "b": "ff", "c": 1.5}, False),
        ({"a": math.nan, "b": -math.inf}, {"a": "nan", "b": "-inf"}, False),
        ({"a": "\\u0000", "b": "\ud800"}, {"a": "\\u0000", "b": "?"}, False),
        ({"a": {"b": ["\0", {"c\0": 1}]}}, {"a": {"b": ["", {"c": 1}]}}, False),
        ({"a": "x" * 2000, "b": 1}, {"a": "<not kept: 2009 characters>", "b": 1}, True),
        ({"a" * 2000: 1}, {"a" * 100: "<not kept: 2007 characters>"}, True),
    ],
)  # fmt: skip
def test_any_properties_and_headers_are_stored(
    table: dict[str, Any], kept: dict[str, Any], is_cut: bool
) -> None:
    row = arrive(b"x", headers=table, properties=table)
    assert (row.headers, row.properties, row.is_cut) == (kept, kept, is_cut)


@pytest.mark.django_db
def test_many_headers_are_kept_as_far_as_they_fit() -> None:
    row = arrive(b"x", headers={f"h{number}": "x" * 500 for number in range(1000)})
    assert row.headers["…"] == "<not kept: 992 more>"
    assert (len(row.headers), row.is_cut) == (9, True)
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert arrive(b"y", headers={"deep": deep}).headers["deep"] != deep


@pytest.mark.parametrize("name", ["BUS_QUARANTINE_BODY_KB", "BUS_QUARANTINE_MB", "BUS_QUARANTINE_ROWS"])
def test_the_bounds_are_whole_numbers(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for wrong in ("0", "-1", "1.5", "many", "²"):
        monkeypatch.setenv(name, wrong)
        with pytest.raises(ImproperlyConfigured, match=f"{name}='{wrong}' is not a whole number"):
            quarantine.configured()
    # The check of all options tells it, once.
    assert [problem.id for problem in check_options()] == ["atoll.E004"]
    assert checks.check_retention() == []
    monkeypatch.setenv(name, "64")
    assert 64 in (
        quarantine.configured().rows,
        quarantine.configured().body_bytes / 1024,
        quarantine.configured().bodies_bytes / MIB,
    )


def replay(staff: Client, row: Quarantine) -> str:
    chosen = {"action": "replay", "_selected_action": [str(row.pk)], "reason": ""}
    return staff.post(f"{ADMIN}/quarantine/", chosen, follow=True).content.decode()


@pytest.mark.usefixtures("handlers")
def test_a_cut_body_cannot_be_replayed_and_says_so(staff: Client, atoll_bus: Bus) -> None:
    @handles("write.note")
    def write(command: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=command["text"])

    body = json.dumps({"command": "write.note", "data": {"text": "late"}}).encode()
    whole, cut = arrive(body), arrive(body, headers={"x-name": "x" * 2000}, reason="a header")
    Quarantine.objects.filter(pk=whole.pk).update(is_cut=True)
    shown = staff.get(f"{ADMIN}/quarantine/{cut.pk}/change/").content.decode()
    assert "Read again…" not in shown
    assert "Discard…" in shown
    assert "0 rows" in replay(staff, cut)
    cut.refresh_from_db()
    assert (cut.status, cut.note) == ("waiting", recovery.INCOMPLETE)
    assert (Inbox.objects.count(), atoll_bus.run_due()) == (0, 0)


def peak_of(work: Callable[[], Any]) -> int:
    """Return the growth of this process's memory during a call."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    work()
    return _memory("VmHWM") - before


def _memory(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


@pytest.fixture
def huge(db: None) -> Quarantine:
    """A row from a version without limits."""
    row = arrive(b"x")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE atoll_bus_quarantine SET body = convert_to(repeat('x', %s), 'UTF8'), body_bytes = NULL, "
            "is_cut = FALSE WHERE id = %s",
            [HUGE, row.pk],
        )
    return row


def test_pages_about_a_body_of_64_mib_load_only_its_start(staff: Client, huge: Quarantine) -> None:
    where = f"{ADMIN}/quarantine/"
    pages = [
        where,
        f"{where}?q=JSON",
        f"{where}{huge.pk}/change/",
        f"{where}{huge.pk}/discard/",
        f"{ADMIN}/overview/",
    ]
    for page in pages:
        staff.get(page)  # what is loaded once and for all
    for page in pages:
        answer: list[Any] = []
        assert peak_of(lambda page=page, answer=answer: answer.append(staff.get(page))) < MAY_TAKE, page
        assert answer[0].status_code == 200
    shown = staff.get(f"{where}{huge.pk}/change/").content.decode()
    assert f"The first 4,000 of {HUGE:,}." in shown
    assert "x" * 4000 in shown
    assert "x" * 4001 not in shown
    assert str(HUGE) in staff.get(where).content.decode().replace(",", "")
    assert peak_of(lambda: replay(staff, huge)) < MAY_TAKE
    huge.refresh_from_db(fields=["note", "status"])
    assert (huge.status, huge.note) == ("waiting", recovery.INCOMPLETE)


def test_a_download_is_bounded_and_needs_the_permission_to_view(staff: Client, huge: Quarantine) -> None:
    where = f"{ADMIN}/quarantine/{huge.pk}/download/body/"
    answer = staff.get(where)
    assert answer.content == b"x" * wire.MAX_BYTES
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == f'attachment; filename="quarantine-{huge.pk}-body"'
    for unknown in ("0", "x", "99999999999999999999999"):
        assert staff.get(f"{ADMIN}/quarantine/{unknown}/download/body/").status_code == 404
    User.objects.update(is_superuser=False)
    for role, status in ((SUPPORT, 200), (CATALOGUE, 403)):
        User.objects.get().groups.set([Group.objects.get_or_create(name=role)[0]])
        assert staff.get(where).status_code == status


@pytest.fixture
def full_ledger(db: None) -> Delivery:
    """Thirty dead deliveries of edited messages of a megabyte, and thirty such outbox rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now = cursor.fetchone()[0]
    text = json.dumps({"eventType": "note.asked", "data": {"text": "x" * (MIB - 100)}})
    for number in range(30):
        message = Inbox.objects.create(
            dedupe_key=str(number), message_id=str(number), kind="event", name="note.asked", body=text,
            service_id="test-service", correlation_id="large", sent_at=now, received_at=now,
        )  # fmt: skip
        delivery = Delivery.objects.create(
            id=uuid7(), message=message, handler=f"h{number}", status="dead", error=f"e{number}",
            next_attempt_at=now, hint_at=now, created_at=now, finished_at=now, edited_body=text,
            traceback="x" * 20_000,
        )  # fmt: skip
        Outbox.objects.create(
            message_id=uuid7(), kind="event", name="note.asked", destination="note.asked", body=text,
            correlation_id="large", next_attempt_at=now, created_at=now, status="published",
        )  # fmt: skip
    return delivery


def test_no_page_of_the_ledger_loads_the_bodies_of_its_rows(
    staff: Client, full_ledger: Delivery, monkeypatch: Any
) -> None:
    from atoll.bus.operations import message_trace

    monkeypatch.setattr(
        "atoll.bus.operations.message_trace.platform_traces",
        lambda wanted: [message_trace.local_trace(wanted)],
    )
    message = full_ledger.message_id
    pages = [
        "inbox/", f"inbox/{message}/change/", "inbox/?q=large",
        "outbox/", f"outbox/{Outbox.objects.latest('id').pk}/change/",
        "delivery/", f"delivery/{full_ledger.pk}/change/", f"delivery/{full_ledger.pk}/replay/",
        "dead-letters/", f"dead-letters/group/?handler={full_ledger.handler}&name=note.asked&group=",
        "where/?q=large",
    ]  # fmt: skip
    for page in pages:
        staff.get(f"{ADMIN}/{page}")
    for page in pages:
        answer: list[Any] = []
        risen = peak_of(lambda page=page, answer=answer: answer.append(staff.get(f"{ADMIN}/{page}")))
        assert answer[0].status_code == 200, page
        assert risen < MAY_TAKE, page
        assert "x" * 4001 not in answer[0].content.decode().replace("x" * 20_000, ""), page
    for name in ("body", "edited_body"):
        answer = staff.get(f"{ADMIN}/delivery/{full_ledger.pk}/download/{name}/")
        assert answer.content.decode() == full_ledger.edited_body
