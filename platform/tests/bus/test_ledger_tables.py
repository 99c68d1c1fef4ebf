"""The tables of the ledger: no index that no query reads, and vacuumed before they bloat."""

import pytest
from django.core.management import call_command
from django.db import connection

INDEXES = """
SELECT index.indrelid::regclass::text, index.indexrelid::regclass::text, index.indkey::text,
    EXISTS (SELECT FROM pg_opclass WHERE oid = ANY(index.indclass) AND opcname = 'text_pattern_ops')
FROM pg_index AS index
WHERE index.indrelid::regclass::text LIKE 'atoll\\_bus\\_%' AND index.indpred IS NULL
"""
BUSY = ("atoll_bus_delivery", "atoll_bus_inbox", "atoll_bus_outbox")
OPTIONS = "SELECT relname, reloptions FROM pg_class WHERE relname = ANY(%s)"

Index = tuple[str, str, str, bool]


def indexes() -> list[Index]:
    with connection.cursor() as cursor:
        cursor.execute(INDEXES)
        return list(cursor.fetchall())


def vacuumed_early() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(OPTIONS, [list(BUSY)])
        return {
            name
            for name, options in cursor.fetchall()
            if "autovacuum_vacuum_threshold=2000" in (options or [])
        }


def repeated(found: list[Index]) -> set[str]:
    """The indexes whose columns are the first ones of another index of their table."""
    return {
        name
        for table, name, columns, _ in found
        for other_table, other, others, _ in found
        if table == other_table and name != other and f"{others} ".startswith(f"{columns} ")
    }


@pytest.mark.django_db
def test_no_index_serves_like_or_repeats_another() -> None:
    found = indexes()
    assert [name for _, name, _, is_for_like in found if is_for_like] == []
    assert repeated(found) == set()


@pytest.mark.django_db(transaction=True)
def test_the_tables_go_back_to_the_version_before_and_forward_again() -> None:
    before = set(indexes())
    assert vacuumed_early() == set(BUSY)
    call_command("migrate", "atoll_bus", "0008_help_texts", verbosity=0)
    assert {name for _, name, _, is_for_like in indexes() if is_for_like}
    assert vacuumed_early() == set()
    call_command("migrate", "atoll_bus", verbosity=0)
    assert (set(indexes()), vacuumed_early()) == (before, set(BUSY))
