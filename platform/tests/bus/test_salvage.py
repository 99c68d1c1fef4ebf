"""Undecodable properties and headers are kept in a form that PostgreSQL can store."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atoll.bus.broker.amqp_decoding import salvage
from atoll.bus.inbox import quarantine

pytestmark = pytest.mark.django_db(transaction=True)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_have_something_that_can_be_kept(raw_properties: bytes) -> None:
    found = salvage(raw_properties)
    assert json.loads(_kept(found)) is not None


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.decimals(),
    lambda held: st.lists(held, max_size=4) | st.dictionaries(st.text() | st.binary(), held, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.binary(), anything, max_size=6))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_any_table_has_a_form_that_postgresql_stores(table: dict[Any, Any]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb", [_kept(table)])


def _kept(table: dict[Any, Any]) -> str:
    return quarantine._table(table).json
