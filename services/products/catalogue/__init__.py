"""The demo catalogue: what a small household shop might sell, the same on every machine."""
