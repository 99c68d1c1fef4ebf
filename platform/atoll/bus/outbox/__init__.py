"""Outgoing messages: the rows that transactions write, and the relay that publishes them."""
