"""Sends requests to services: instances, connections, choice of an endpoint, breakers and retries."""
