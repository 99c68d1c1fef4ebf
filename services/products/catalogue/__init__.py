"""The demo catalogue of a small household shop; it is the same on every machine."""
