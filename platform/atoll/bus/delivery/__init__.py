"""Running handlers: claim, attempt, time limit, lane, retry, timer."""
