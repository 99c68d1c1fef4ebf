"""The board: every service, instance and worker on one page."""
