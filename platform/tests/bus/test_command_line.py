"""``manage.py PROJECT publish EVENT JSON``."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from atoll.bus.models import Outbox
from atoll.testing.bus import Bus


def test_an_event_can_be_announced_by_hand(bus: Bus) -> None:
    output = StringIO()
    call_command("publish", "note.asked", '{"text": "hello"}', "--key", "note-1", stdout=output)
    (envelope,) = bus.published("note.asked")
    assert envelope["data"]["text"] == "hello"
    assert output.getvalue() == (
        f"note.asked {envelope['id']} from library-service, correlation id {envelope['correlationId']}\n"
    )
    assert Outbox.objects.get().key == "note-1"


@pytest.mark.parametrize(
    ("event", "data"), [("note.asked", "{"), ("note.asked", "[]"), ("Note Asked", "{}"), ("note.*", "{}")]
)
def test_what_is_no_event_is_refused_in_one_line(bus: Bus, event: str, data: str) -> None:
    with pytest.raises(CommandError):
        call_command("publish", event, data)
    assert bus.published() == []
