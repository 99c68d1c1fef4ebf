"""Which function reacts to which message: in this process's code, and in the service's database."""
