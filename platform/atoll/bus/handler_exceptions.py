"""Exceptions that a handler raises to decide the outcome of its delivery."""


class Ignore(Exception):
    """The handler has nothing to do: roll back, record the text as the reason, never run again."""


class Dead(Exception):
    """No retry can succeed: roll back and make the delivery a dead letter at once."""
