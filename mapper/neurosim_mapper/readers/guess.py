"""Which framework a NIR file looks like: a hint for people, never a decision."""

from __future__ import annotations

import numpy as np

from neurosim.errors import InputFileError
from neurosim_mapper.nodes import FloatArray
from neurosim_mapper.readers.discretise import DYNAMIC_KINDS
from neurosim_mapper.readers.fields import NodeEntry
from neurosim_mapper.readers.nir_graph import FlatGraph

HIDDEN_DT = 1e-4  # of snnTorch's and SpikingJelly's exporters
ROCKPOOL_DT = 1e-3


def guess_writer(graph: FlatGraph) -> tuple[str | None, str]:
    """Name of the reading that fits best (or None), and what speaks for it."""
    neurons = [entry for entry in graph.entries.values() if entry.kind in DYNAMIC_KINDS]
    try:
        return _guess(neurons)
    except InputFileError:
        return None, "Nothing in the file tells who wrote it"


def _guess(neurons: list[NodeEntry]) -> tuple[str | None, str]:
    leaky = [entry for entry in neurons if entry.kind not in ("I", "IF")]
    if not leaky:
        firing = [entry for entry in neurons if entry.has("r")]
        if firing and all(_near(entry.array("r"), 1 / HIDDEN_DT) for entry in firing):
            return "spikingjelly", "integrators with r = 1 / dt for dt = 1e-4"
        if firing and all(_near(entry.array("r"), 1.0) for entry in firing):
            return "sinabs", "integrators with r = 1, that is a time step of 1"
        return None, "Nothing in the file tells who wrote it"
    tau = np.concatenate([np.ravel(_tau(entry)) for entry in leaky])
    r = np.concatenate([np.ravel(_like_tau(entry)) for entry in leaky])
    finite = np.isfinite(tau) & np.isfinite(r) & (tau != 0)
    tau, r = tau[finite], r[finite]
    if not tau.size:
        return None, "Nothing in the file tells who wrote it"
    if (tau >= 0.5).all() and _near(r, 1.0):
        return "sinabs", "r = 1 and time constants of a step and more"
    if _near(r, 1.0) and (tau < HIDDEN_DT).all():
        return "norse", "r = 1 and time constants of microseconds, a thousand times too small"
    if _near(r * HIDDEN_DT, tau):
        return _hidden_dt(leaky)
    with np.errstate(over="ignore"):
        if (tau > 0).all() and _near(r * ROCKPOOL_DT, tau * np.exp(-ROCKPOOL_DT / tau)):
            return "rockpool", "r = tau exp(-dt / tau) / dt for dt = 1e-3"
    if _near(r, 1.0):
        return "spikingjelly", "r = 1 and time constants of some 1e-4"
    return None, "Nothing in the file tells who wrote it"


def _hidden_dt(leaky: list[NodeEntry]) -> tuple[str, str]:
    """r = tau / 1e-4 is written by two frameworks; float64 and a v_reset tell them apart."""
    reason = "r = tau / dt for dt = 1e-4"
    wide = any(
        entry.tree["r"].dtype == np.float64 or entry.array_or("v_reset", 0.0).any()
        for entry in leaky
    )
    return ("spikingjelly", f"{reason}, double precision") if wide else ("snntorch", reason)


def _tau(entry: NodeEntry) -> FloatArray:
    return entry.array("tau" if "tau" in entry.tree else "tau_mem", infinite=True)


def _like_tau(entry: NodeEntry) -> FloatArray:
    """r, spread over the shape of tau."""
    r, tau = entry.array("r", infinite=True), _tau(entry)
    return np.broadcast_to(r, tau.shape) if r.size == 1 or r.shape == tau.shape else tau * np.nan


def _near(values: FloatArray, expected: FloatArray | float) -> bool:
    return bool(np.allclose(values, expected, rtol=1e-4, atol=0))
