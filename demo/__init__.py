"""One shopper's order, from sign-up to its end, told over HTTP only."""
