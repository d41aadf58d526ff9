"""Inference: samples over threads, the state of a sample, what a run leaves."""
