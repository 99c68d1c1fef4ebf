"""The way out: rows that a transaction leaves, and the relay that publishes them."""
