"""The same request twice is done once, whatever happens in between."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client
from rest_framework.test import APIClient
from testproject.models import Note

from atoll.api.idempotency import purge
from atoll.api.models import IdempotencyRecord

KEY = "0199-order-1"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def write(client, text="hello", key=KEY, path="/notes", **body):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(path, data={"text": text, **body}, content_type="application/json", headers=headers)


def notes():
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def overtaken(text):
    """The answer to a request, and to one with its key and "hello" that begins and ends before its claim."""
    others = []

    def overtake(execute, sql, params, many, context):
        if "pg_try_advisory_xact_lock" in sql and not others:
            with ThreadPoolExecutor(1) as pool:
                others.append(pool.submit(lambda: (write(Client()), connections.close_all())[0]).result(20))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        return write(Client(), text), others[0]


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_the_same_request_gets_the_stored_answer_and_nothing_is_done_again(self, client):
        first, second = write(client), write(client)
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.content == first.content
        assert second["Location"] == first["Location"]
        assert second["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first
        assert notes() == ["hello"]

    def test_the_replay_belongs_to_the_request_that_asks(self, client):
        first, second = write(client), write(client)
        assert first["X-Correlation-ID"] != second["X-Correlation-ID"]

    def test_the_order_and_spacing_of_the_body_do_not_matter(self, client):
        write(client, pricePaid=2)
        again = client.post(
            "/notes",
            data='{ "pricePaid": 2, "text": "hello" }',
            content_type="application/json",
            headers={"Idempotency-Key": KEY},
        )
        assert again["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize("change", [{"text": "other"}, {"pricePaid": 5}, {"path": "/notes?x=1"}])
    def test_another_request_under_the_same_key_is_unprocessable(self, client, change):
        write(client)
        response = write(client, **change)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
        assert notes() == ["hello"]

    def test_without_a_key_every_request_counts(self, client):
        write(client, key=None)
        write(client, key=None)
        assert notes() == ["hello", "hello"]
        assert IdempotencyRecord.objects.count() == 0

    def test_another_key_is_another_request(self, client):
        write(client, key="a")
        write(client, key="b")
        assert notes() == ["hello", "hello"]

    def test_another_caller_is_another_request(self, atoll_as_user):
        ada = atoll_as_user(user_id="01a2061b-478a-7783-8423-c46ab3baa7a8")
        bob = atoll_as_user(user_id="01a2061b-478a-7783-8423-c46ab3baa7a9")
        for client in (ada, bob, APIClient()):
            answer = client.post("/notes", {"text": "hello"}, format="json", headers={"Idempotency-Key": KEY})
            assert (answer.status_code, "Idempotency-Replayed" in answer) == (201, False)
        assert notes() == ["hello"] * 3

    def test_a_quoted_key_and_the_bare_one_are_the_same(self, client):
        write(client, key="abc")
        assert write(client, key='"abc"')["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize(
        "key",
        ["", '""', "x" * 256, "x" * 10_000, "with space", "ключ", "a,b", "a, b", 'a"b', "tab\tkey", "\x7f"],
    )
    def test_a_malformed_key_is_refused(self, client, key):
        response = write(client, key=key)
        assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")
        assert notes() == []

    def test_a_key_of_255_characters_is_taken(self, client):
        assert write(client, key="k" * 255).status_code == 201
        assert write(client, key="k" * 255)["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize("key", [KEY, None])
    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("refused", 409),
            ("answered with an error", 409),
            ("x" * 201, 400),
            ("crash", 500),
            ("forgot to keep", 500),
        ],
    )
    def test_refusals_and_server_errors_undo_the_work_and_leave_the_key_free(self, client, text, status, key):
        client.raise_request_exception = False
        assert write(client, text, key=key).status_code == status
        assert (notes(), IdempotencyRecord.objects.count()) == ([], 0)
        response = write(client, "mended", key=key)
        assert (response.status_code, "Idempotency-Replayed" in response) == (201, False)
        assert notes() == ["mended"]

    def test_after_24_hours_the_key_is_new(self, client):
        with time_machine.travel(NOON, tick=False) as clock:
            write(client)
            clock.move_to(NOON + timedelta(hours=24) - timedelta(seconds=1))
            assert write(client)["Idempotency-Replayed"] == "true"
            clock.move_to(NOON + timedelta(hours=24))
            assert "Idempotency-Replayed" not in write(client, "another body")
        assert notes() == ["hello", "another body"]

    def test_every_stored_answer_takes_some_old_records_away(self, client):
        with time_machine.travel(NOON, tick=False) as clock:
            for number in range(5):
                write(client, key=f"old-{number}")
            clock.move_to(NOON + timedelta(hours=25))
            write(client, key="new")
        assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["new"]

    def test_purge_deletes_what_is_over_and_keeps_the_rest(self, client):
        with time_machine.travel(NOON, tick=False):
            write(client, key="old")
        with time_machine.travel(NOON + timedelta(hours=1), tick=False):
            write(client, key="young")
        assert purge(NOON + timedelta(hours=24)) == 1
        assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["young"]
        with time_machine.travel(NOON + timedelta(hours=25), tick=False):
            call_command("purge_idempotency", stdout=(said := io.StringIO()))
        assert (said.getvalue(), IdempotencyRecord.objects.count()) == ("1 deleted\n", 0)


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_twenty_at_once_have_one_effect_and_one_answer(self):
        barrier = threading.Barrier(20)

        def ask(_):
            try:
                barrier.wait(timeout=20)
                return write(Client())
            finally:
                connections.close_all()

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        assert notes() == ["hello"]
        original = [a for a in answers if a.status_code == 201 and "Idempotency-Replayed" not in a]
        assert len(original) == 1
        for answer in answers:
            assert answer.status_code in (201, 409)
            if answer.status_code == 201:
                assert answer.content == original[0].content
            else:
                assert (answer.json()["code"], answer["Retry-After"]) == ("request_in_flight", "1")
        assert write(Client()).content == original[0].content

    def test_while_one_is_in_flight_the_next_is_told_to_come_back(self):
        started, may_end = threading.Event(), threading.Event()

        def hold(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if sql.startswith('INSERT INTO "testproject_note"'):
                started.set()
                assert may_end.wait(20)
            return result

        def slow():
            try:
                with connection.execute_wrapper(hold):
                    return write(Client())
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(slow)
            assert started.wait(20)
            second = write(Client())
            other_key = write(Client(), "other", key="other")
            may_end.set()
            assert first.result(20).status_code == 201
        assert (second.status_code, second["Retry-After"]) == (409, "1")
        assert other_key.status_code == 201
        assert sorted(notes()) == ["hello", "other"]

    def test_an_answer_that_another_request_stores_between_the_look_and_the_claim_is_replayed(self):
        late, other = overtaken("hello")
        assert (other.status_code, late.status_code) == (201, 201)
        assert late["Idempotency-Replayed"] == "true"
        assert late.content == other.content
        assert notes() == ["hello"]

    def test_another_request_under_a_key_that_was_used_between_the_look_and_the_claim_is_unprocessable(self):
        late, _ = overtaken("another body")
        assert (late.status_code, late.json()["code"]) == (422, "idempotency_key_reused")
        assert notes() == ["hello"]

    def test_a_request_with_a_key_costs_three_round_trips(self, django_assert_num_queries):
        """Beside the transaction and the work: a look, a claim, an answer."""
        with django_assert_num_queries(3 + len(("BEGIN", "INSERT", "COMMIT"))):
            assert write(Client()).status_code == 201
        with django_assert_num_queries(1):
            assert write(Client())["Idempotency-Replayed"] == "true"

    def test_the_answer_is_only_kept_when_the_work_is_committed(self):
        client = Client(raise_request_exception=False)
        assert write(client, "crash").status_code == 500
        assert (notes(), IdempotencyRecord.objects.count()) == ([], 0)
        assert not transaction.get_connection().in_atomic_block
