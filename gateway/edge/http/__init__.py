"""The HTTP/1.1 server of the edge (RFC 9110, RFC 9112): connections of clients, their heads and bodies."""
