"""The HTTP conventions of every service: errors, JSON, paging, idempotency, headers, OpenAPI."""
