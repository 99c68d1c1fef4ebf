"""Fixtures that every suite on Atoll gets by itself."""
