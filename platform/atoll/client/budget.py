"""Retry budget: retries may add a fifth to the traffic, not multiply it.

When a service fails for everyone, retries of everyone would triple its load
just then. Each request deposits a fraction of a retry; each retry spends one.
Source: Finagle's RetryBudget.
"""

import threading

DEPOSIT = 0.2
CAPACITY = 10.0


class Budget:
    """Starts full, so that a quiet client may retry too. Thread-safe."""

    def __init__(self, *, deposit: float = DEPOSIT, capacity: float = CAPACITY) -> None:
        self._deposit = deposit
        self._capacity = capacity
        self._balance = capacity
        self._lock = threading.Lock()

    def deposit(self) -> None:
        with self._lock:
            self._balance = min(self._capacity, self._balance + self._deposit)

    def withdraw(self) -> bool:
        """True when one retry may be made."""
        with self._lock:
            if self._balance < 1:
                return False
            self._balance -= 1
            return True
