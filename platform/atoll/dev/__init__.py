"""One machine, the whole platform: embedded engines, the supervisor behind ``up``, the test runner."""
