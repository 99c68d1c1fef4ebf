"""Operating the bus: statistics, message traces, dead letters, editing, recovery, retention."""
