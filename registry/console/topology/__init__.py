"""Who called whom and who told whom in the last minutes, as a graph."""
