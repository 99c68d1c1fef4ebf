"""The two spellings of a name."""

import pytest

from atoll.wire import names


@pytest.mark.parametrize("name", ["order_id", "_private", "x" * 64 + "_id"])
def test_a_name_is_the_same_however_long_it_is(name: str) -> None:
    assert names.underscore(names.camel(name)) == name


def test_long_names_that_clients_choose_do_not_stay_in_memory() -> None:
    before = names._kept_camel.cache_info().currsize
    for number in range(10):
        names.camel(f"{'x' * 100}_{number}")
    assert names._kept_camel.cache_info().currsize == before
