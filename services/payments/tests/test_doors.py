"""What the API of every project keeps, asked of this one."""

from atoll.testing.doors import ApiDoors


class TestApi(ApiDoors):
    """Health under any Host, ids in upper case, lists that refuse what they do not know."""
