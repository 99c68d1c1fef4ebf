"""Reproducible benchmarks. Each prints one JSON object on its last line."""
