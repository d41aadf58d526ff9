"""Where the closed-form network holds, and how far the cycle model was seen from it.

Measured against the cycle model on meshes of 4 x 4 to 16 x 16 with one virtual channel (uniform,
transpose, hotspot and local traffic); the tests hold the bands against it.
"""

from __future__ import annotations

from neurosim.noc.model import Noc

VALID_SHARE = 0.7
"""Share of the saturation bound up to which the formulas are meant to be used."""
DRAIN_OVER_BOUND = 1.63
"""Longest drain of packets that are all there at once, in lower bounds of that drain."""


def credit_loop_cycles(noc: Noc) -> int:
    """Cycles from the use of a place in a buffer to its next use, on a plain link."""
    return noc.grant_cycles + noc.credit_return_cycles + (2 if noc.pipeline == "default" else 0)


def link_capacity(noc: Noc, packet_cycles: int = 1) -> float:
    """Share of its cycles that one flow can use of the slowest kind of link, by its buffer.

    Parameters
    ----------
    packet_cycles : cycles that a packet occupies a link (packet switching; 1 with wormhole).
    """
    loop = credit_loop_cycles(noc)
    if noc.chip_link_cycles is not None:
        loop += 2 * max(0, noc.chip_link_cycles - noc.link_cycles)
    groups = [noc.n_vcs - noc.psum_vcs] + ([noc.psum_vcs] if noc.psum_vcs else [])
    channels = max(1, min(groups) // (2 if noc.topology == "torus" else 1))
    return min(1.0, noc.buffer_flits * channels * packet_cycles / (loop + packet_cycles - 1))
