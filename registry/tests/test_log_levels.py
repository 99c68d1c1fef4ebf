"""Levels of log lines for a time: who may set them, what instances are told, and what the journal keeps."""

import asyncio
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from atoll.errors import InvalidInput, NotFound
from atoll.testing.rights import member
from registry.console.board.rows import service_rows
from registry.console.board.views import figures
from registry.http.state import RegistryState
from registry.models import JournalEntry, LogLevel
from registry.usecases import discover
from registry.usecases.log_level import end_log_level, set_log_level

pytestmark = pytest.mark.django_db

SERVICE = "order-service"
PAGE = "/console/log-levels"


def test_all_instances_of_a_service_are_told_the_level_and_one_may_have_another(put):
    put("o-1")
    put("o-2")
    put("w-1", service="order-service.worker", port=0)
    set_log_level(SERVICE, "", "debug", 15, actor="test")
    set_log_level(SERVICE, "o-2", "error", 5, actor="test")
    told = {one.id: one.log_level for one in discover.discover(SERVICE).registered}
    assert [(told[name].level, round(told[name].left_s / 60)) for name in ("o-1", "o-2")] == [
        ("debug", 15),
        ("error", 5),
    ]
    assert [one.log_level for one in discover.discover("order-service.worker").registered] == [None]


def test_a_level_moves_no_index(put):
    put("o-1")
    before = discover.discover(SERVICE).index
    set_log_level(SERVICE, "", "debug", 15, actor="test")
    assert discover.discover(SERVICE).index == before


def test_a_level_ends_and_the_next_change_deletes_its_row(put):
    put("o-1")
    set_log_level(SERVICE, "", "debug", 15, actor="test")
    LogLevel.objects.update(ends_at=F("ends_at") - timedelta(minutes=16))
    assert discover.discover(SERVICE).registered[0].log_level is None
    set_log_level(SERVICE, "o-1", "debug", 15, actor="test")
    assert [str(row) for row in LogLevel.objects.all()] == ["debug of o-1"]


def test_a_level_that_is_set_again_replaces_the_one_before(put):
    put("o-1")
    set_log_level(SERVICE, "", "debug", 15, actor="ann")
    set_log_level(SERVICE, "", "warning", 30, actor="bob")
    assert [(row.level, row.actor) for row in LogLevel.objects.all()] == [("warning", "bob")]
    assert end_log_level(SERVICE, "", actor="cleo")
    assert not end_log_level(SERVICE, "", actor="cleo")
    kept = [
        (row.kind, row.actor, row.details)
        for row in JournalEntry.objects.filter(kind__startswith="log_level").order_by("id")
    ]
    assert kept == [
        ("log_level_set", "ann", {"level": "debug", "minutes": 15}),
        ("log_level_set", "bob", {"level": "warning", "minutes": 30}),
        ("log_level_ended", "cleo", {}),
    ]


@pytest.mark.parametrize(
    ("service", "instance", "level", "minutes", "error"),
    [
        (SERVICE, "", "loud", 15, InvalidInput),
        (SERVICE, "", "debug", 0, InvalidInput),
        (SERVICE, "", "debug", 241, InvalidInput),
        ("shop", "", "debug", 15, NotFound),
        (SERVICE, "o-9", "debug", 15, NotFound),
    ],
)
def test_a_wrong_level_is_refused(put, service, instance, level, minutes, error):
    put("o-1")
    with pytest.raises(error):
        set_log_level(service, instance, level, minutes, actor="test")
    assert not LogLevel.objects.exists()
    assert not JournalEntry.objects.filter(kind="log_level_set").exists()


def test_memory_counts_the_time_down(put):
    put("o-1")
    set_log_level(SERVICE, "", "debug", 1, actor="test")
    answer = discover.discover(SERVICE)
    now = [100.0]

    async def read(service):
        return answer

    async def told():
        state = RegistryState(read, None, clock=lambda: now[0])
        await state.answer(SERVICE)
        seen = []
        for later_s in (0, 20, 50):
            now[0] = 100.0 + later_s
            level = state.log_level(SERVICE, "o-1")
            seen.append(level and (level["level"], round(level["forS"])))
        return [*seen, state.log_level(SERVICE, "o-9"), state.log_level("shop", "o-1")]

    assert asyncio.run(told()) == [("debug", 60), ("debug", 40), ("debug", 10), None, None]


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_is_answered_with_the_level(wire, put):
    put("o-1")
    set_log_level(SERVICE, "", "debug", 15, actor="test")
    beat = {"serviceName": SERVICE, "instanceId": "o-1"}

    async def beats():
        await wire("GET", f"/discover/{SERVICE}")
        first = await wire("POST", "/heartbeat", beat)
        await asyncio.to_thread(end_log_level, SERVICE, "", actor="test")
        wire.application.state.invalidate(SERVICE)
        await wire("GET", f"/discover/{SERVICE}")
        return first, await wire("POST", "/heartbeat", beat)

    first, second = asyncio.run(beats())
    assert first.body["status"] == "ok"
    assert first.body["logLevel"]["level"] == "debug"
    assert 890 < first.body["logLevel"]["forS"] <= 900
    assert second.body == {"status": "ok"}


def signed_in(client, role):
    client.force_login(member(role), backend="atoll.identity.backends.AccountBackend")
    return client


def test_the_page_asks_first_and_names_who_is_concerned(client, put):
    put("o-1")
    put("o-2")
    signed_in(client, "operator")
    asked = {"target": SERVICE, "level": "debug", "minutes": "20"}
    question = unescape(client.get(PAGE, asked).content.decode())
    assert "for 20 minutes" in question
    assert "o-1 <span" in question
    assert "o-2 <span" in question
    assert not LogLevel.objects.exists()
    done = client.post(PAGE, asked | {"act": "set"}, follow=True)
    assert (
        "order-service writes lines from debug on within 15 seconds, for 20 minutes." in done.content.decode()
    )
    row = LogLevel.objects.get()
    assert (row.service, row.instance_id, row.level) == (SERVICE, "", "debug")
    assert row.actor.startswith("staff:")
    done = client.post(PAGE, {"target": SERVICE, "act": "end"}, follow=True)
    assert "of its configuration again" in done.content.decode()
    assert not LogLevel.objects.exists()


def test_the_board_shows_a_set_level_beside_each_process_that_has_it(put):
    put("o-1")
    put("o-2")
    put("w-1", service="order-service.worker", port=0)
    set_log_level(SERVICE, "", "debug", 15, actor="staff:ann")
    set_log_level(SERVICE, "o-2", "error", 5, actor="staff:bob")
    [row] = service_rows()
    assert {
        one.id: one.log_level and (one.log_level.level, one.log_level.actor) for one in row.instances
    } == {
        "o-1": ("debug", "staff:ann"),
        "o-2": ("error", "staff:bob"),
        "w-1": None,
    }
    shown = figures()
    assert shown.count("log level debug until") == shown.count("log level error until") == 1
    LogLevel.objects.update(ends_at=F("ends_at") - timedelta(minutes=16))
    assert "log level" not in figures()


def test_one_instance_is_named_with_its_service(client, put):
    put("o-1")
    put("o-2")
    signed_in(client, "admin").post(PAGE, {"target": f"{SERVICE}/o-2", "level": "error", "minutes": "5"})
    assert [(row.service, row.instance_id) for row in LogLevel.objects.all()] == [(SERVICE, "o-2")]


@pytest.mark.parametrize(("role", "status"), [("support", 403), ("catalogue", 403)])
def test_others_than_operators_set_nothing(client, put, role, status):
    put("o-1")
    signed_in(client, role)
    asked = {"target": SERVICE, "level": "debug", "minutes": "20"}
    assert client.post(PAGE, asked).status_code == status
    page = client.get(PAGE, asked)
    assert page.status_code == (200 if role == "support" else 403)
    assert "<select" not in page.content.decode()
    assert not LogLevel.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"minutes": "0"}, {"minutes": "9" * 50}, {"minutes": "٣"}, {"minutes": "-1"}, {"minutes": ""},
        {"level": "loud"}, {"target": "shop"}, {"target": f"{SERVICE}/"}, {"target": "\x00"}, {"target": "/"},
    ],
)  # fmt: skip
def test_a_wrong_form_is_said_in_words(client, put, wrong):
    put("o-1")
    signed_in(client, "operator")
    given = {"target": SERVICE, "level": "debug", "minutes": "20"} | wrong
    is_wrong = wrong != {"target": f"{SERVICE}/"}
    assert client.get(PAGE, given).status_code == (400 if is_wrong else 200)
    answer = client.post(PAGE, given)
    assert answer.status_code == (400 if is_wrong else 302)
    assert LogLevel.objects.exists() is not is_wrong


def command(*words):
    out = StringIO()
    call_command("log_level", *words, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("orders", "order-service"),
        ("order-service", "order-service"),
        ("orders-worker", "order-service.worker"),
        ("order-service.worker", "order-service.worker"),
    ],
)
def test_the_command_knows_processes_and_names_on_the_wire(put, name, service):
    put("o-1", service=service)
    assert command(name, "debug", "--minutes", "3").startswith(f"{service} writes lines from debug on until ")
    assert [(row.service, row.level) for row in LogLevel.objects.all()] == [(service, "debug")]
    assert "of its configuration again" in command(name, "configured")
    assert command(name, "configured") == f"No level was set for {service}.\n"


def test_the_command_refuses_in_words(put):
    with pytest.raises(CommandError, match="No instance shop is registered"):
        command("shop", "debug")
    put("o-1")
    with pytest.raises(CommandError, match="1 to 240 minutes"):
        command("orders", "debug", "--minutes", "1000")
    with pytest.raises(CommandError, match="invalid choice"):
        command("orders", "loud")
