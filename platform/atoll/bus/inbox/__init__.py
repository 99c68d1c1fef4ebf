"""The way in: from the service's queues into its inbox, or into quarantine."""
