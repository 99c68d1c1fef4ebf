"""Charts of requests, errors and durations, drawn on the server."""
