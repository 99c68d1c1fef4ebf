"""One order of one customer, from sign-up to its final status, over HTTP only."""
