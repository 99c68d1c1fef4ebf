"""Tells what the gateway would do with a request, by the functions that the edge itself uses."""
