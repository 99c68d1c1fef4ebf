"""How many connections a process may have, and whether the server admits those of all processes."""

import gc
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection

from atoll import conf
from atoll.postgresql import bound, budget
from atoll.postgresql.bound import Bound


@pytest.fixture
def hold_to(monkeypatch):
    """A bound with hardly any patience."""

    def hold_to(most):
        monkeypatch.setattr(bound, "_bound", Bound(most, wait_s=0.05))

    return hold_to


def in_thread(function):
    """The result or error of a call in a thread, and so with a connection, of its own."""
    outcome = []

    def run():
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


def ask_and_close():
    try:
        return ask()
    finally:
        connection.close()


@pytest.mark.django_db
def test_a_process_opens_no_more_connections_than_it_may(hold_to):
    hold_to(1)
    held, done = threading.Event(), threading.Event()

    def hold():
        ask()
        held.set()
        done.wait(10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    refused = in_thread(ask_and_close)
    assert isinstance(refused, OperationalError)
    assert "all of its 1 database connections" in str(refused)
    done.set()
    holder.join()
    assert in_thread(ask_and_close) == 1


@pytest.mark.django_db
def test_threads_that_end_without_closing_give_their_places_back_when_another_needs_one(hold_to):
    hold_to(2)
    gc.disable()  # as long as no collection happens to come
    try:
        assert [in_thread(ask) for _ in range(2)] == [1, 1]
        assert in_thread(ask_and_close) == 1
    finally:
        gc.enable()


@pytest.mark.django_db
def test_a_connection_that_fails_takes_no_place(hold_to, monkeypatch):
    hold_to(1)
    with monkeypatch.context() as broken:
        broken.setitem(connection.settings_dict, "PORT", "1")
        assert "refused" in str(in_thread(ask))
    assert in_thread(ask_and_close) == 1


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_bound_that_is_no_number_of_connections_is_refused(monkeypatch, value):
    monkeypatch.setenv("DATABASE_CONNECTIONS", value)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_CONNECTIONS"):
        bound.told(12)


class TestBudget:
    @pytest.fixture(autouse=True)
    def _no_variables(self, monkeypatch):
        for name in ("DATABASE_CONNECTIONS", "WORKER_POOL", "WORKER_CONCURRENCY"):
            monkeypatch.delenv(name, raising=False)

    def test_the_sum_has_a_web_process_of_every_project_and_every_worker(self):
        needed = budget.needed("orders")
        workers = {f"{name}-worker" for name, row in conf.projects().items() if row.worker}
        assert set(needed) == set(conf.projects()) | workers
        assert (needed["orders"], needed["orders-worker"]) == (12, 13)

    def test_a_project_with_a_server_of_its_own_is_not_counted(self, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", "postgres://a:b@one.example")
        monkeypatch.setenv("ORDERS_DATABASE_URL", "postgres://a:b@two.example")
        assert set(budget.needed("orders")) == {"orders", "orders-worker"}
        assert "orders" not in budget.needed("users")

    def test_a_server_that_admits_too_few_is_told_with_the_sum_and_what_to_do(self):
        total = sum(budget.needed("orders").values())
        assert budget.shortage("orders", total) is None
        told = budget.shortage("orders", total - 1)
        assert f"may open {total} connections" in told
        assert f"admits {total - 1}" in told
        assert f"max_connections to {total + 10}" in told

    def test_prefork_children_count(self, monkeypatch):
        monkeypatch.setenv("ORDERS_WORKER_POOL", "prefork")
        monkeypatch.setenv("ORDERS_WORKER_CONCURRENCY", "5")
        assert budget.worker("orders") == 9 + 5 * 3

    @pytest.mark.django_db
    def test_the_server_is_asked(self, monkeypatch):
        monkeypatch.setenv("DATABASE_CONNECTIONS", "10000")
        assert "may open" in budget.server_shortage("orders", connection.settings_dict)
