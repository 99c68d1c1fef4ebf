# ruff: noqa: S608  the SQL here is put together from constants of this file
"""Each invariant can fail: a test changes rows in a transaction that rolls back, and the checker sees it."""

from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import pytest

from atoll.dev.servers import real_servers
from tests.chaos.check import bus, shop
from tests.chaos.check.__main__ import INVARIANTS
from tests.chaos.doctored import copy, found, violated


def test_nothing_is_violated_before_anybody_doctored_it(evidence):
    assert violated(evidence) == set()


DELETED = """
UPDATE users_user SET deleted_at = now(), is_active = FALSE, email = id || '@deleted.invalid' WHERE id = %s
RETURNING id
"""
EMPTIED = """
UPDATE atoll_bus_outbox SET body = jsonb_set(body::jsonb, %s, %s)::text
WHERE name = 'user.created' AND body::jsonb #>> '{data,userId}' = %s
RETURNING id
"""


def test_a_name_that_orders_did_not_forget(evidence):
    customer = next(evidence.of("accepted"))["user"]
    evidence.change("users", DELETED, customer)
    assert any("Deleted customer" in text for text in found(shop.sums_differ, evidence))


def test_what_told_about_a_deleted_account_may_be_emptied_and_nothing_else(evidence):
    customer = next(evidence.of("accepted"))["user"]
    evidence.change("users", DELETED, customer)
    assert len(evidence.change("users", EMPTIED, "{data,email}", '""', customer)) == 1
    assert found(bus.effect_without_commit, evidence) == []


def test_a_message_about_an_account_that_is_not_deleted_keeps_its_words(evidence):
    if evidence.wire is None:
        pytest.skip("nobody watched the wire of the embedded broker")
    customer = next(evidence.of("accepted"))["user"]
    evidence.change("users", EMPTIED, "{data,email}", '""', customer)
    assert found(bus.effect_without_commit, evidence)


def test_a_message_that_is_still_in_the_outbox(evidence):
    evidence.change("orders", f"UPDATE atoll_bus_outbox SET status = 'pending' WHERE {LAST_OUT}")
    assert len(found(bus.not_published, evidence)) == 1


def test_a_message_that_never_was_on_the_wire(evidence):
    if evidence.wire is None:
        pytest.skip("nobody watched the wire of the embedded broker")
    evidence.wire[:] = [row for row in evidence.wire if row != evidence.wire[-1]]
    assert len(found(bus.not_published, evidence)) == 1


def test_an_effect_that_was_never_committed(evidence):
    evidence.change("products", f"DELETE FROM atoll_bus_outbox WHERE {LAST_OUT}")
    assert found(bus.effect_without_commit, evidence)


def test_a_message_in_other_words_than_committed(evidence):
    evidence.change("products", f"UPDATE atoll_bus_outbox SET body = '{{}}' WHERE {LAST_OUT}")
    assert found(bus.effect_without_commit, evidence)


def test_a_message_that_was_rolled_back_and_is_there(evidence):
    (message,) = evidence.change(
        "orders", f"UPDATE atoll_bus_outbox SET attempts = 0 WHERE {LAST_OUT} RETURNING message_id::text"
    )
    evidence.records.append({"record": "rolled_back", "ids": [message]})
    assert found(bus.effect_without_commit, evidence) == [f"message {message} was rolled back and is there"]


def test_a_message_that_a_handler_never_got(evidence):
    evidence.change("orders", f"DELETE FROM atoll_bus_delivery WHERE {ONE_DONE}")
    assert len(found(bus.not_exactly_once, evidence)) == 1


def test_a_message_that_was_stored_and_handled_twice(evidence):
    evidence.change(
        "orders",
        "WITH twin AS ("
        + copy(
            "atoll_bus_inbox",
            '{"id": -1, "dedupe_key": "twin"}',
            f"id = (SELECT message_id FROM atoll_bus_delivery WHERE {ONE_DONE})",
        )
        + " RETURNING 1) "
        + copy("atoll_bus_delivery", f'{{"id": "{uuid4()}", "message_id": -1}}', ONE_DONE),
    )
    assert any("2 times" in text for text in found(bus.not_exactly_once, evidence))


def test_an_effect_that_was_made_twice(evidence):
    evidence.change(
        "orders",
        copy(
            "orders_ordertransition",
            '{"id": -1}',
            "id = (SELECT max(id) FROM orders_ordertransition WHERE message_id <> '')",
        ),
    )
    assert any("took effect 2 times" in text for text in found(bus.not_exactly_once, evidence))


def test_an_effect_that_is_missing(evidence):
    evidence.change(
        "orders",
        "DELETE FROM orders_ordertransition "
        "WHERE id = (SELECT max(id) FROM orders_ordertransition WHERE event LIKE 'stock.%%')",
    )
    assert any("left nothing" in text for text in found(bus.not_exactly_once, evidence))


def test_messages_of_a_key_that_were_published_in_another_order(evidence):
    if evidence.wire is None:
        pytest.skip("nobody watched the wire of the embedded broker")
    evidence.wire.reverse()
    assert found(bus.out_of_order, evidence)


def test_a_lane_in_which_a_later_message_overtook_an_earlier_one(evidence):
    evidence.change(
        "orders",
        "WITH pair AS (SELECT id, row_number() OVER () AS number FROM atoll_bus_delivery "
        "WHERE status = 'done' LIMIT 2) "
        "UPDATE atoll_bus_delivery AS delivery SET handler = 'h', lane = 'l', position = number, "
        "created_at = now() - interval '1 h', claimed_at = now() - number * interval '10 min', "
        "finished_at = now() - number * interval '5 min' FROM pair WHERE pair.id = delivery.id",
    )
    assert len(found(bus.out_of_order, evidence)) == 1


def test_a_delivery_that_waits_for_nobody(evidence):
    evidence.change("orders", f"UPDATE atoll_bus_delivery SET status = 'pending' WHERE {ONE_DONE}")
    assert len(found(bus.blocked, evidence)) == 1


def test_a_platform_that_did_not_come_to_rest(evidence):
    evidence.end["settled_after_s"] = None
    assert len(found(bus.blocked, evidence)) == 1


def test_a_well_formed_message_that_died(evidence):
    evidence.change("orders", f"UPDATE atoll_bus_delivery SET status = 'dead' WHERE {ONE_DONE}")
    assert len(found(bus.attempts_wasted, evidence)) == 1


@pytest.mark.parametrize("handler", ["chaos.both", "chaos.old", "chaos.second", "chaos.new"])
def test_a_message_that_one_version_took_from_the_other(evidence, handler):
    """One version of a service stored a message for its own handlers only."""
    evidence.records = [row for row in evidence.records if row["record"] != "unbound"]
    evidence.change(
        "payments",
        "DELETE FROM atoll_bus_delivery WHERE id = "
        f"(SELECT id FROM atoll_bus_delivery WHERE handler = '{handler}' LIMIT 1)",
    )
    lost = [text for text in found(bus.not_exactly_once, evidence) if f": {handler} never handled" in text]
    assert lost


def test_what_a_handler_outside_the_contracts_misses_while_it_is_unbound_is_excused(evidence):
    handler = {"outside_contracts": True, "project": "payments"}
    message = {"published_at": 100.0}
    evidence.records.append({"record": "unbound", "from": 99.0, "until": 101.0, "mirror": False})
    assert bus._is_excused(message, handler, evidence)
    assert not bus._is_excused(message, {}, evidence)
    assert not bus._is_excused({"published_at": 98.0}, handler, evidence)
    assert not evidence.was_blind(message)


@pytest.mark.parametrize(
    ("kind", "target", "lasts_s", "until"),
    [
        ("pause_worker", "payments-worker", 5.0, 111.0),
        ("kill_worker", "payments-worker-2", 0.0, 123.0),
        ("pause_worker", "products-worker", 5.0, 107.0),
        ("database_slow", "payments", 5.0, 107.0),
    ],
)
def test_a_worker_that_is_stopped_renews_its_bindings_later(evidence, kind, target, lasts_s, until):
    handler = {"outside_contracts": True, "project": "payments"}
    evidence.records.append({"record": "unbound", "from": 99.0, "until": 101.0, "mirror": False})
    evidence.records.append(
        {"record": "fault", "at": 105.0, "kind": kind, "target": target, "lasts_s": lasts_s, "did": ""}
    )
    assert bus._is_excused({"published_at": until - 0.1}, handler, evidence)
    assert not bus._is_excused({"published_at": until + 0.1}, handler, evidence)


def test_a_message_before_the_first_start_that_is_lost(evidence):
    evidence.change(
        "orders",
        "DELETE FROM atoll_bus_delivery WHERE id IN (SELECT delivery.id FROM atoll_bus_delivery AS delivery "
        "JOIN atoll_bus_inbox AS message ON message.id = delivery.message_id "
        "WHERE message.name = 'payment.voided' ORDER BY message.id LIMIT 1)",
    )
    assert len(found(bus.not_exactly_once, evidence)) == 1


def test_more_attempts_than_the_policy_gives(evidence):
    evidence.change("orders", f"UPDATE atoll_bus_delivery SET attempts = 99 WHERE {ONE_DONE}")
    assert len(found(bus.attempts_wasted, evidence)) == 1


def test_a_message_that_the_broker_refused(evidence):
    evidence.change("orders", f"UPDATE atoll_bus_outbox SET attempts = 1 WHERE {LAST_OUT}")
    assert len(found(bus.attempts_wasted, evidence)) == 1


def test_poison_that_is_nowhere(evidence):
    evidence.poison["0" * 32] = {"expected": "quarantine", "sort": "binary", "project": "orders"}
    assert len(found(bus.poison_astray, evidence)) == 1


def test_something_in_quarantine_that_is_no_poison(evidence):
    evidence.change(
        "orders",
        "INSERT INTO atoll_bus_quarantine (digest, queue, routing_key, body, properties, headers, reason, "
        "status, note, received_at) VALUES ('d', 'q', 'r', 'good', '{}', '{}', 'why', 'waiting', '', now())",
    )
    assert len(found(bus.poison_astray, evidence)) == 1


def test_a_replay_that_changed_something(evidence):
    replayed = next(row for row in evidence.of("replayed") if row["rows"])
    replayed["rows"][0][1] = "7"
    assert len(found(bus.replay_took_effect, evidence)) == 1


def test_a_correlation_id_that_got_lost_on_its_way(evidence):
    evidence.change("orders", f"UPDATE atoll_bus_outbox SET correlation_id = 'lost' WHERE {LAST_OUT}")
    assert found(bus.correlation_lost, evidence)


# A message whose receiver keeps more of it than the envelope.
LAST_OUT = "id = (SELECT max(id) FROM atoll_bus_outbox WHERE key <> '')"
ONE_DONE = "id = (SELECT id FROM atoll_bus_delivery WHERE status = 'done' AND token = '' ORDER BY id LIMIT 1)"


def test_a_message_that_is_left_at_the_broker():
    url = real_servers().get("RABBITMQ_URL")
    if not url:
        pytest.skip("no RabbitMQ answers here")
    service = f"chaos-{uuid4()}"
    evidence = SimpleNamespace(run={"amqp_port": urlsplit(url).port}, projects={service: "orders"})
    with pika.BlockingConnection(pika.URLParameters(url.rstrip("/") + "/%2F")) as connection:
        channel = connection.channel()
        channel.queue_declare(f"evt.{service}")
        try:
            assert found(bus.queue_not_empty, evidence) == []
            channel.confirm_delivery()
            channel.basic_publish("", f"evt.{service}", b"left")
            (said,) = found(bus.queue_not_empty, evidence)
            assert f"evt.{service}" in said
        finally:
            channel.queue_delete(f"evt.{service}")


@pytest.mark.parametrize("invariant", ["valid_credential_refused", "silent_service_emptied"])
def test_what_was_noted_of_the_registry_during_a_fault(invariant):
    noted = [{"record": "registry", "invariant": invariant, "text": "order-service: as it was seen"}]
    evidence = SimpleNamespace(of=lambda record: (row for row in noted if row["record"] == record))
    for name in ("valid_credential_refused", "silent_service_emptied"):
        seen = ["order-service: as it was seen"] if name == invariant else []
        assert found(INVARIANTS[name], evidence) == seen
