"""The rule of senders, and the settings that a start refuses, without a broker."""

import json
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll.bus import checks, contracts
from atoll.bus.broker import envelope
from atoll.bus.broker.amqp_decoding import Content
from atoll.bus.inbox import senders
from atoll.bus.inbox.senders import Rule, SenderRefused
from atoll.bus.schemas import asyncapi
from atoll.bus.schemas.definitions import Definition

from .raw_amqp import BASIC, FLAGS, long, properties, short, table
from .worker import BUS, CELERY, WORKER, Process

RULE = Rule(
    {
        ("event", "payment.completed"): frozenset({"payment-service"}),
        ("command", "refund.payment"): frozenset({"order-service", "payment-service"}),
    }
)
ABSENT = object()


def message(
    user: str, claimed: Any = ABSENT, name: str = "payment.completed", kind: str = "eventType"
) -> Any:
    body: dict[str, Any] = {kind: name, "id": "1"}
    if claimed is not ABSENT:
        body["serviceId"] = claimed
    properties = {"app_id": "payment-service", "user_id": user}
    return envelope.parse(json.dumps(body).encode(), properties, {}, sender=user)


@pytest.mark.parametrize("claimed", ["payment-service", None, ABSENT])
def test_its_sender_may_leave_out_its_name(claimed: Any) -> None:
    said = message("payment-service", claimed)
    RULE.demand(said, "payment-service")
    assert (said.service_id, said.dedupe_key) == ("payment-service", "payment-service/1")


@pytest.mark.parametrize(
    "user",
    [
        "", "thief", "Payment-Service", "payment-service ", " payment-service", "payment-service\n",
        "payment\u2010service", "\uff50ayment-service", "payment-service\u200b", "order-service",
        "payment-service,order-service", "*", "#", "payment-service/1", "x" * 255,
    ],
)  # fmt: skip
def test_nobody_else_may_send_it_whatever_he_calls_himself(user: str) -> None:
    for claimed in (ABSENT, None, "payment-service", user):
        with pytest.raises(SenderRefused) as refused:
            RULE.demand(message(user, claimed), user)
        text = str(refused.value)
        assert text.endswith(" payment.completed may be sent by payment-service.")
        assert text.isprintable()
        assert len(text) < 300


@pytest.mark.parametrize(
    "claimed",
    [
        "", "order-service", "payment-service ", 0, 1, True, False, [], {}, 1e9,
        ["payment-service"], {"": "payment-service"}, "x" * 200,
    ],
)  # fmt: skip
def test_who_may_send_it_may_not_call_himself_otherwise(claimed: Any) -> None:
    with pytest.raises(
        SenderRefused, match=r"The broker user payment-service sent it, and its serviceId names"
    ):
        RULE.demand(message("payment-service", claimed), "payment-service")


def test_a_name_is_believed_in_no_other_property() -> None:
    said = message("thief")
    assert said.service_id == "thief"
    for said_in in (
        {},
        {"user_id": None},
        {"user_id": 5},
        {"user_id": ["payment-service"]},
        {"app_id": "a"},
    ):
        assert senders.user_of(said_in) == ""


def test_each_of_several_senders_passes_and_an_event_is_no_command() -> None:
    for user in ("order-service", "payment-service"):
        RULE.demand(message(user, user, "refund.payment", "command"), user)
    with pytest.raises(SenderRefused):
        RULE.demand(message("user-service", ABSENT, "refund.payment", "command"), "user-service")
    assert not RULE.knows(message("a", ABSENT, "refund.payment", "eventType"))
    assert not RULE.knows(message("a", ABSENT, "payment.Completed"))


@pytest.mark.parametrize("length", [0, 1, 2, 8])
def test_the_sender_is_read_where_rabbitmq_read_it(length: int) -> None:
    """A text longer than its table moves the rest, for a client that trusts the text."""
    text = b"S" + pack(">I", length)
    hidden = b"." * length + short(b"id") + short(b"payment-service") + b"."
    said = properties(
        application_headers=table((b"x", text)), message_id=short(hidden), user_id=short(b"thief")
    )
    content = Content()
    content._load_properties(BASIC, said, 0)
    believed = content.properties["user_id"]
    assert (believed, bool(content.problem)) == ("thief", length > 0)


def test_an_ordinary_sender_is_read_with_every_other_property_before_it() -> None:
    values = {name: short(b"x") for name in FLAGS} | {
        "application_headers": table((b"key", b"S" + long(b"value"))),
        "delivery_mode": b"\x02",
        "priority": b"\x01",
        "timestamp": pack(">Q", 1),
        "user_id": short("zo\u00eb".encode()),
    }
    content = Content()
    content._load_properties(BASIC, properties(**values), 0)
    assert (content.properties["user_id"], content.problem) == ("zo\u00eb", "")


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_ROOT", str(tmp_path))
    monkeypatch.setenv("RABBITMQ_URL", "amqp://library-service:secret@127.0.0.1:1//")
    monkeypatch.setenv("ATOLL_ENV", "production")
    path = tmp_path / contracts.DOCUMENT
    path.parent.mkdir()
    path.write_text(asyncapi.to_json(asyncapi.document([], DEFINITIONS)))
    return path


def definition(kind: Any, name: str, version: int = 1, **facts: Any) -> Definition:
    return Definition(
        **{"kind": kind, "name": name, "version": version, "schema": {}, "service": "a-service"} | facts
    )


DEFINITIONS = [
    definition("event", "stock.counted", superseded=True),
    definition("event", "stock.counted", 2, senders=["b-service", "old-erp"]),
    definition("command", "count.stock", to="library-service"),
    definition("command", "write.note", to="another-service", service="z-service"),
]


def test_the_rule_is_the_document_and_what_this_project_defines_itself(document: Path) -> None:
    rule = senders.rule()
    assert rule is not None
    assert rule.senders["event", "stock.counted"] == {"a-service", "b-service", "old-erp"}
    assert rule.senders["command", "count.stock"] == {"a-service"}
    assert rule.senders["command", "write.note"] == {"library-service"}
    assert rule.senders["event", "note.asked"] == {"library-service", "old-library"}
    assert ("event", "note.lost") not in rule.senders


@pytest.mark.parametrize(
    ("environment", "switch", "own", "url", "expected"),
    [
        ("production", "", "", "amqp://library-service@mq//", True),
        ("production", "", "", "amqps://library-service@mq//", True),
        ("", "", "", "amqp://library-service@mq//", True),
        ("production", "false", "", "amqp://library-service@mq//", False),
        ("production", "false", "true", "amqp://library-service@mq//", True),
        ("production", "true", "off", "amqp://library-service@mq//", False),
        ("development", "", "", "amqp://library-service@mq//", False),
        ("test", "", "", "amqp://library-service@mq//", False),
        ("test", "1", "", "amqp://library-service@mq//", True),
        ("production", "", "", "redis://127.0.0.1:6379/1", False),
        ("production", "true", "", "valkey://127.0.0.1:6379/1", False),
    ],
)
def test_the_switch(
    document: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    switch: str,
    own: str,
    url: str,
    expected: bool,
) -> None:
    for name, value in {
        "ATOLL_ENV": environment,
        "BUS_CHECK_SENDERS": switch,
        "LIBRARY_BUS_CHECK_SENDERS": own,
        "RABBITMQ_URL": url,
    }.items():
        monkeypatch.setenv(name, value)
    assert senders.are_checked() is expected
    assert (senders.rule() is not None) is expected
    senders.refuse_start()


def test_a_switch_that_is_neither_on_nor_off_is_refused(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_CHECK_SENDERS", "maybe")
    with pytest.raises(ImproperlyConfigured, match="BUS_CHECK_SENDERS='maybe' is neither true nor false"):
        senders.refuse_start()


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("amqp://atoll:secret@mq//", "atoll"),
        ("amqp://mq:5672//", "guest"),
        ("amqp://library%2Dservic%65s:secret@mq//", "library-services"),
        ("amqp://order-service:secret@mq//", "order-service"),
        ("amqp://library-service:a@one//;amqp://atoll:b@two//", "atoll or library-service"),
    ],
)
def test_a_shared_user_is_refused_with_both_names_and_what_to_do(
    document: Path, monkeypatch: pytest.MonkeyPatch, url: str, user: str
) -> None:
    monkeypatch.setenv("RABBITMQ_URL", url)
    (problem,) = checks.check_senders()
    assert problem.id == "atoll_bus.E008"
    assert problem.msg == (
        f"BUS_CHECK_SENDERS is on, and this service connects to RabbitMQ as {user}, not as library-service: "
        "no other service would believe what it sends. Give it a user of that name (rabbitmqctl add_user "
        "library-service, with the permissions of docs/decisions/0040) and set LIBRARY_RABBITMQ_URL to "
        "amqp://library-service:PASSWORD@HOST. On a broker where that cannot be, set BUS_CHECK_SENDERS=false."
    )
    monkeypatch.setenv("LIBRARY_RABBITMQ_URL", "amqp://library%2Dservice:secret@mq//")
    assert checks.check_senders() == []


def test_without_the_contracts_the_switch_cannot_be_on(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document.unlink()
    (problem,) = checks.check_senders()
    assert "docs/asyncapi.json, which says who may send what, is not there." in problem.msg
    document.write_text("{")
    (problem,) = checks.check_senders()
    assert "cannot be read back" in problem.msg
    monkeypatch.setenv("BUS_CHECK_SENDERS", "false")
    assert checks.check_senders() == []


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", [WORKER, CELERY, BUS], ids=["worker", "celery", "bus"])
def test_nothing_that_sends_starts_as_a_shared_user(tmp_path: Path, command: Any) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / contracts.DOCUMENT).write_text(asyncapi.to_json(asyncapi.document([], [])))
    process = Process(
        tmp_path, command, RABBITMQ_URL="amqp://atoll:secret@127.0.0.1:1//", BUS_CHECK_SENDERS="true"
    )
    try:
        assert process.ended() == 1
    finally:
        process.end()
    told = process.log.read_text()
    assert "connects to RabbitMQ as atoll, not as library-service" in told
    assert "Traceback" not in told
