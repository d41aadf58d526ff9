"""Which framework a NIR file looks like: a hint for people, never a decision.

Exporters leave traces: the ratio of r and tau, names of nodes, a batch axis in the input's shape,
double precision. Seen in files of snnTorch 1.0, SpikingJelly 2.0, Norse 1.1, Sinabs 3.1 and
Rockpool 3.1.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from neurosim.errors import InputFileError
from neurosim_mapper.nodes import FloatArray
from neurosim_mapper.readers.discretise import DYNAMIC_KINDS
from neurosim_mapper.readers.fields import NodeEntry
from neurosim_mapper.readers.nir_graph import FlatGraph
from neurosim_mapper.readers.readings import ROCKPOOL_DT

HIDDEN_DT: Final = 1e-4  # of snnTorch's and SpikingJelly's exporters
UNKNOWN: Final = (None, "Nothing in the file tells who wrote it")


def guess_writer(graph: FlatGraph) -> tuple[str | None, str]:
    """Name of the reading that fits best (or None), and what speaks for it."""
    try:
        return _guess(graph)
    except InputFileError:
        return UNKNOWN


def _guess(graph: FlatGraph) -> tuple[str | None, str]:
    neurons = [entry for entry in graph.entries.values() if entry.kind in DYNAMIC_KINDS]
    if any(re.fullmatch(r"(.*\.)?_[0-9]+|input_[0-9]+", name) for name in graph.entries):
        return "spikingjelly", "nodes are called '_0', 'input_1' and the like"
    if any(name.endswith((".lif", ".w_rec")) for name in graph.entries):
        return "snntorch", "recurrent layers are pairs 'lif' and 'w_rec'"
    if any(re.fullmatch(r"[0-9]+_\w*Torch", name) for name in graph.entries):
        return "rockpool", "nodes are called after Rockpool's classes"
    tau, r = _pairs(neurons)
    if not r.size:
        return UNKNOWN
    has_batch = any(
        e.kind == "Input" and _has_batch(e.shape("shape")) for e in graph.entries.values()
    )
    if _near(r, 1.0):
        return _unit_r(tau, has_batch)
    if _near(r * HIDDEN_DT, np.where(np.isinf(tau), 1.0, tau)):
        return _hidden_dt(graph, neurons)
    positive = tau[tau > 0]
    if positive.size and _near(
        r[tau > 0] * ROCKPOOL_DT, positive * np.exp(-ROCKPOOL_DT / positive)
    ):
        return "rockpool", "r = tau exp(-dt / tau) / dt for dt = 1e-3"
    return UNKNOWN


def _has_batch(shape: tuple[int, ...] | None) -> bool:
    """Whether a declared shape has an axis of 1 in front of one or three others."""
    return shape is not None and len(shape) in (2, 4) and shape[0] == 1


def _unit_r(tau: FloatArray, has_batch: bool) -> tuple[str | None, str]:
    """r = 1 is written by three frameworks; time constants and shapes tell them apart."""
    finite = tau[np.isfinite(tau)]
    if has_batch and (finite < 0.5).all():
        if finite.size and (finite >= HIDDEN_DT).all():
            return "norse", "r = 1 and a batch axis; with time constants in seconds: tau_factor 1"
        return "norse", "r = 1, a batch axis, and time constants a thousand times too small"
    if finite.size and (finite < HIDDEN_DT).all():
        return "norse", "r = 1 and time constants of microseconds, a thousand times too small"
    if (finite >= 0.5).all():
        return "sinabs", "r = 1 and time constants, if any, in steps"
    return "spikingjelly", "r = 1 and time constants below half a second"


def _hidden_dt(graph: FlatGraph, neurons: list[NodeEntry]) -> tuple[str, str]:
    """r = tau / 1e-4 is written by two frameworks; precision and names tell them apart."""
    reason = "r = tau / dt for dt = 1e-4"
    numbered = any(entry.name.isdecimal() for entry in neurons)
    wide = any(
        entry.tree["r"].dtype == np.float64 or entry.array_or("v_reset", 0.0).any()
        for entry in neurons
    )
    if wide and not numbered:
        return "spikingjelly", f"{reason}, double precision"
    return "snntorch", reason


def _pairs(neurons: list[NodeEntry]) -> tuple[FloatArray, FloatArray]:
    """tau (inf for I and IF) and r of all neurons."""
    tau, r = [np.zeros(0)], [np.zeros(0)]
    for entry in neurons:
        own_r = np.ravel(entry.array("r", infinite=True))
        if entry.kind in ("I", "IF"):
            own_tau = np.full(own_r.size, np.inf)
        else:
            own_tau = np.ravel(entry.array("tau" if "tau" in entry.tree else "tau_mem", True))
        size = max(own_tau.size, own_r.size)
        if own_tau.size in (1, size) and own_r.size in (1, size):
            tau.append(np.broadcast_to(own_tau, (size,)))
            r.append(np.broadcast_to(own_r, (size,)))
    all_tau, all_r = np.concatenate(tau), np.concatenate(r)
    return all_tau[np.isfinite(all_r)], all_r[np.isfinite(all_r)]


def _near(values: FloatArray, expected: FloatArray | float) -> bool:
    return bool(np.allclose(values, expected, rtol=1e-4, atol=0))
