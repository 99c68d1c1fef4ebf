"""Runs the whole platform on one machine: embedded engines, supervisor, test runner."""
