"""The rules for the API and the admin of every project, tested on this one."""

from atoll.testing.admin_doors import AdminDoors
from atoll.testing.doors import ApiDoors


class TestApi(ApiDoors):
    """Health under any Host, ids in upper case, lists that refuse unknown parameters."""


class TestAdmin(AdminDoors):
    """Addresses that were edited by hand, ids and selections that were made up."""
