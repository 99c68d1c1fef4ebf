"""A project of a user, for its types: tests/architecture/test_sample_types.py checks it with mypy strict."""
