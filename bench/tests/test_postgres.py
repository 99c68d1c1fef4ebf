from bench import postgres
from bench.postgres import Counts


def test_statements_commits_and_log_of_the_named_databases_are_counted():
    with postgres.running("mine_") as server:
        for name in ("mine_orders", "other"):
            server.rows("postgres", f"CREATE DATABASE {name}")
        server.rows("mine_orders", "CREATE TABLE held (number int)")
        before = server.counts()
        for _ in range(3):
            server.rows("mine_orders", "INSERT INTO held VALUES (%(number)s)", {"number": 1})
        server.rows("other", "SELECT 1")
        spent = server.counts() - before
    assert spent.statements == 3
    # PostgreSQL counts the start of each session as one.
    assert spent.commits == 6
    assert 100 < spent.wal_bytes < 10_000


def test_counts_are_totals():
    assert Counts(5, 3, 100) - Counts(2, 1, 40) == Counts(3, 2, 60)
