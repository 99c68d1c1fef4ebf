"""Statements that a session prepares once."""

import pytest
from django.db import NotSupportedError, connection, transaction
from django.test.utils import CaptureQueriesContext

from atoll.postgresql.prepared import Prepared

pytestmark = pytest.mark.django_db(transaction=True)


def value_of(statement: Prepared, number: int = 1) -> object:
    with connection.cursor() as cursor:
        statement.execute(cursor, {"number": number})
        return cursor.fetchone()[0]


@pytest.fixture
def statement() -> Prepared:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS prepared_example")
        cursor.execute("CREATE TABLE prepared_example (number int, text varchar(10))")
        cursor.execute("INSERT INTO prepared_example VALUES (1, 'one'), (2, 'two')")
    return Prepared(
        "example", "SELECT text FROM prepared_example WHERE number = %(number)s", number="integer"
    )


def widen() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE prepared_example ALTER text TYPE varchar(20)")


def test_a_session_prepares_it_once(statement: Prepared) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert [value_of(statement, number) for number in (1, 2, 1)] == ["one", "two", "one"]
    assert [query["sql"].split()[0] for query in captured] == ["PREPARE", "EXECUTE", "EXECUTE", "EXECUTE"]
    connection.close()
    assert value_of(statement) == "one"


def test_what_a_transaction_that_was_undone_has_prepared_is_there(statement: Prepared) -> None:
    with transaction.atomic():
        assert value_of(statement) == "one"
        transaction.set_rollback(True)
    assert value_of(statement) == "one"


def test_after_a_migration_has_changed_a_type_it_is_prepared_again(statement: Prepared) -> None:
    for _ in range(3):
        assert value_of(statement) == "one"
        widen()
        assert value_of(statement) == "one"
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE prepared_example ALTER text TYPE varchar(10)")


def test_in_a_transaction_the_next_use_works(statement: Prepared) -> None:
    assert value_of(statement) == "one"
    widen()
    with pytest.raises(NotSupportedError), transaction.atomic():
        value_of(statement)
    with transaction.atomic():
        assert value_of(statement) == "one"
