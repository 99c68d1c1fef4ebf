"""Reproducible measurements; each prints one JSON object on its last line."""
