"""Errors that several rooms of users raise."""

from atoll import errors


class UserNotFound(errors.NotFound):
    title = "User not found"
    default_code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("There is no user with this id.")
