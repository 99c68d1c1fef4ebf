import pytest

import atoll.client
from atoll.late import late


def test_a_name_is_imported_from_its_module_at_its_first_use():
    find = late("collections", {"abc": ("Mapping",)})

    from collections.abc import Mapping

    assert find("Mapping") is Mapping


def test_an_unknown_name_is_an_attribute_error_that_names_the_package():
    with pytest.raises(AttributeError, match=r"module 'atoll\.client' has no attribute 'Nothing'"):
        _ = atoll.client.Nothing


def test_every_public_name_of_such_a_package_is_there():
    from atoll import client, discovery, identity

    for package in (client, discovery, identity):
        assert all(getattr(package, name) is not None for name in package.__all__)
