"""Orders at a fixed rate through any gateway: latencies, errors, lost and doubled orders, a report."""
