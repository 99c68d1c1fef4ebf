"""``manage.py PROJECT publish EVENT JSON``."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from atoll.bus.models import Outbox
from atoll.cli import publish
from atoll.testing.bus import Bus


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("note.writen", "No event is called 'note.writen'. Did you mean note.written?"),
        ("order.nope", "No event is called 'order.nope'."),
        ("order.confirmed", "order.confirmed is announced by order-service, not by library-service."),
        ("process.payment", "No event is called 'process.payment'."),
    ],
)
def test_an_event_that_this_service_does_not_announce_is_refused(
    atoll_bus: Bus, event: str, said: str
) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("publish", event, "{}")
    assert str(refused.value).startswith(said)
    assert atoll_bus.published() == []


def test_the_verb_finds_the_owner_of_an_event_and_refuses_unknown_ones(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("atoll.cli.run", lambda argv: ran.append(argv) or 0)
    assert publish.main(["payment.refunded", "{}"]) == 0
    assert publish.main(["order.created", "{}", "--as", "products"]) == 0
    assert ran == [
        ["payments", "publish", "payment.refunded", "{}"],
        ["products", "publish", "order.created", "{}"],
    ]
    assert publish.main(["order.confirmd", "{}"]) == 1
    assert len(ran) == 2
    assert capsys.readouterr().err == (
        "No project announces an event called 'order.confirmd'. Did you mean order.confirmed?\n"
    )


def test_an_event_can_be_announced_by_hand(atoll_bus: Bus) -> None:
    output = StringIO()
    call_command("publish", "note.asked", '{"text": "hello"}', "--key", "note-1", stdout=output)
    (envelope,) = atoll_bus.published("note.asked")
    assert envelope["data"]["text"] == "hello"
    assert output.getvalue() == (
        f"note.asked {envelope['id']} from library-service, correlation id {envelope['correlationId']}\n"
    )
    assert Outbox.objects.get().key == "note-1"


@pytest.mark.parametrize(
    ("event", "data"), [("note.asked", "{"), ("note.asked", "[]"), ("Note Asked", "{}"), ("note.*", "{}")]
)
def test_a_wrong_event_is_refused_in_one_line(atoll_bus: Bus, event: str, data: str) -> None:
    with pytest.raises(CommandError):
        call_command("publish", event, data)
    assert atoll_bus.published() == []
