"""The chip side: model, simulator, counters, energy, reports."""
