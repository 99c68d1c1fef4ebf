"""Asking a service: its instances, connections to them, the choice of one, and when to try again."""
