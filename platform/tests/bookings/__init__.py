"""The library's example process: a booking waits for a hotel and a bank."""
