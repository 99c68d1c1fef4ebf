"""Rate limits: what is counted, who counts it, and what a client learns of it (docs/decisions/0084)."""
