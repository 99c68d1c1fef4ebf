"""The mail that a developer's platform did not send."""
