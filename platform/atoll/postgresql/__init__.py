"""Django's PostgreSQL backend with a bound on connections per process, and their sum over processes."""
