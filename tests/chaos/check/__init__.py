"""The checker: it inspects the databases after a run and imports nothing of the platform or its services."""
