"""The work of operators: figures, message traces, dead letters, editing, recovery, retention."""
