"""Calls, and the samples of a run, spread over a Dask cluster; workers of this machine."""
