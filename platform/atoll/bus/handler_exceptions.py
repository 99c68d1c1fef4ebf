"""What a handler may raise to decide the outcome of its delivery itself."""


class Ignore(Exception):
    """Nothing to do for this message: roll back, record why, never run again."""


class Dead(Exception):
    """No further attempt can help: roll back and put the delivery among the dead letters at once."""
