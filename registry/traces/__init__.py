"""The store of traces: takes spans of all processes, and gives them to the console."""
