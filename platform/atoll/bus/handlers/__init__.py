"""The handlers of a service: those in the code of this process, and those in the service's database."""
