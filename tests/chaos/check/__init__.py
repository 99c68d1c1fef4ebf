"""The checker: what the databases say after a run. Imports nothing of the platform or its services."""
