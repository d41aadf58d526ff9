"""Compiled code shared by all models; imports numpy and numba only."""
