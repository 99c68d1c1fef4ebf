"""The routing table: as published, as held by this process, and which route takes a request."""
