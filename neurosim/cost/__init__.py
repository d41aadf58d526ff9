"""What was counted, and what follows from it: energy, latency, bandwidth, limits."""
