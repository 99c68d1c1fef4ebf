"""The routing table: its published form, the copy in this process, and the choice of a route."""
