"""The broker: names and declarations, messages on the wire, connections, users and permissions."""
