"""Deprecated names and parameters work, and warn where they are used."""

import warnings

import pytest

from atoll.deprecation import deprecated_names, deprecated_parameter
from atoll.ids import uuid7

NOTICE = "Deprecated since 0.2; removed in 0.4. Use atoll.ids.uuid7."


def test_a_name_that_has_moved_is_found_and_warns_in_the_file_that_uses_it():
    find = deprecated_names("atoll.old", {"new_id": (NOTICE, "atoll.ids.uuid7")})

    with pytest.warns(DeprecationWarning, match=f"atoll.old.new_id: {NOTICE}") as given:
        assert find("new_id") is uuid7
    assert given[0].filename == __file__


def test_other_names_of_the_module_are_found_as_before():
    places = {"new_id": (NOTICE, "atoll.ids.uuid7")}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert deprecated_names("atoll.old", places, lambda name: name.upper())("other") == "OTHER"
    with pytest.raises(AttributeError, match=r"module 'atoll.old' has no attribute 'other'"):
        deprecated_names("atoll.old", places)("other")


def test_a_deprecated_parameter_works_and_warns_only_where_it_is_given():
    @deprecated_parameter("key", NOTICE)
    def send(name: str, *, key: str = "none") -> str:
        return f"{name} {key}"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert send("pack") == "pack none"
    with pytest.warns(DeprecationWarning, match=f"send\\(key=\\): {NOTICE}") as given:
        assert send("pack", key="7") == "pack 7"
    assert given[0].filename == __file__
