"""The rules for the API and the admin of all projects, tested for this project."""

from atoll.testing.admin_doors import AdminDoors
from atoll.testing.doors import ApiDoors


class TestApi(ApiDoors):
    """Health for every Host header, ids in upper case, lists that refuse unknown parameters."""


class TestAdmin(AdminDoors):
    """Addresses that were edited by hand, ids and selections that were made up."""
