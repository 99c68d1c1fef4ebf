"""Django's PostgreSQL backend with a bound on the connections of a process, and what all processes need."""
