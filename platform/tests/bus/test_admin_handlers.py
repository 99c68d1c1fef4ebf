"""The page of handlers: which handlers have code, and retiring a handler without code."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from atoll.bus import Message, on
from atoll.bus.handlers import enrolment, registry, retiring
from atoll.bus.models import Delivery, KnownHandler
from atoll.identity.roles import OPERATOR, SUPPORT
from atoll.testing.rights import member

from .arrivals import store_one

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

PAGE = "/admin/atoll_bus/handlers/"
LONG_AGO = timezone.now() - timezone.timedelta(hours=1)


def write(event: dict[str, Any], message: Message) -> None: ...


@pytest.fixture
def gone() -> str:
    """A handler without code for an hour, with one waiting and one dead delivery."""
    on("note.asked", name="write_note")(write)
    enrolment.register(runs_handlers=True)
    store_one("note.asked", {})
    Delivery.objects.filter(id=store_one("note.asked", {})).update(status="dead")
    registry._handlers.clear()
    KnownHandler.objects.update(seen_at=LONG_AGO, known_since=LONG_AGO)
    return "write_note"


def retire_address(handler: str) -> str:
    return f"{PAGE}retire/?{urlencode({'handler': handler})}"


def test_the_page_tells_who_has_code_for_each_handler(staff: Client, gone: str) -> None:
    on("note.*", name="count_notes", ordered=True)(write)
    enrolment.register(runs_handlers=True)
    page = staff.get(PAGE).content.decode()
    assert "No worker has its code" in page
    assert "A worker has its code" in page
    assert f'href="{PAGE}retire/?handler=write_note"' in page
    assert "handler=count_notes" not in page
    assert KnownHandler.objects.get(handler="count_notes").seen_by in page


@pytest.mark.parametrize(("role", "may_retire"), [(OPERATOR, True), (SUPPORT, False)])
def test_an_operator_is_offered_to_retire_a_handler_and_support_is_not(
    staff: Client, gone: str, role: str, may_retire: bool
) -> None:
    member(role, username="ada")

    page = staff.get(PAGE).content.decode()

    assert "No worker has its code" in page
    assert (f'href="{PAGE}retire/?handler={gone}"' in page) is may_retire
    assert (staff.get(retire_address(gone)).status_code == 200) is may_retire


def test_retiring_asks_for_a_reason_and_is_written_down(staff: Client, gone: str) -> None:
    asked = staff.get(retire_address(gone))
    assert "2 open deliveries are discarded" in asked.content.decode()
    assert staff.post(retire_address(gone), {"reason": ""}).status_code == 200
    assert KnownHandler.objects.get().retired_at is None
    assert set(Delivery.objects.values_list("status", flat=True)) == {"pending", "dead"}
    assert staff.post(retire_address(gone), {"reason": "Moved to notes."}).status_code == 302
    row = KnownHandler.objects.get()
    assert (row.retired_by, row.why) == ("ada", "Moved to notes.")
    assert row.retired_at is not None
    assert set(Delivery.objects.values_list("status", "error")) == {
        ("discarded", "Discarded: its handler was retired. Moved to notes.")
    }
    entry = LogEntry.objects.get()
    assert entry.object_repr == "write_note"
    assert entry.change_message == "retired, 2 deliveries discarded: Moved to notes."
    assert "Moved to notes." in staff.get("/admin/atoll_bus/decisions/").content.decode()


def test_a_handler_whose_worker_came_back_meanwhile_is_not_retired(staff: Client, gone: str) -> None:
    on("note.asked", name="write_note")(write)
    enrolment.register(runs_handlers=True)
    answer = staff.post(retire_address(gone), {"reason": "too late"}, follow=True)
    assert "a worker that runs has code for it" in answer.content.decode()
    assert retiring.standing(gone) is not None
    assert KnownHandler.objects.get().retired_at is None
    assert LogEntry.objects.count() == 0
    assert set(Delivery.objects.values_list("status", flat=True)) == {"pending", "dead"}


@pytest.mark.parametrize("handler", ["", "nobody", "x" * 5000])
def test_an_unknown_handler_is_not_found(staff: Client, handler: str) -> None:
    assert staff.get(retire_address(handler)).status_code == 404


def test_strangers_see_nothing_and_decide_nothing(client: Client, gone: str) -> None:
    User.objects.create(username="eve", is_staff=False)
    assert client.get(PAGE).status_code == 302
    assert client.post(retire_address(gone), {"reason": "x"}).status_code == 302
    assert KnownHandler.objects.get().retired_at is None
