"""The combinations of `make test-matrix` install what their names say."""

from collections import Counter

import pytest

from tests.fresh.pythons import pythons
from tests.matrix.combinations import COMBINATIONS, Combination
from tests.matrix.packages import requirements


def named(lines: list[str]) -> dict[str, str]:
    """The version of each package; the test fails for a package with two."""
    pairs = [line.partition(";")[0].strip().split("==") for line in lines]
    names = Counter(name.lower() for name, _ in pairs)
    assert [name for name, times in names.items() if times > 1] == []
    return {name.lower(): version for name, version in pairs}


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda combination: combination.name)
def test_a_combination_installs_the_django_and_the_driver_of_its_name(combination: Combination):
    wanted = named(requirements(combination))
    assert wanted["django"].startswith(f"{combination.django}.")
    assert ("psycopg[binary]" in wanted) == (combination.driver == "psycopg-3")


def test_every_python_of_the_table_is_in_a_combination():
    assert {combination.python for combination in COMBINATIONS} == {row.version for row in pythons()}
    assert len({combination.name for combination in COMBINATIONS}) == len(COMBINATIONS)
