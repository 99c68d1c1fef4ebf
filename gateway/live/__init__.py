"""Figures of the running gateway, read from its own /metrics."""
