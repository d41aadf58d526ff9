"""Compile the kernels of the cycle-level network aside, while somebody else works.

``python -m neurosim.run.warm_up`` plays three packets, so that the compiled code lands in the disk
cache. `start` does it in a process of its own on the first run after an installation or an edit.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from neurosim.kernels._jit import compiled_before

_NETWORK = Path(__file__).resolve().parents[1] / "kernels" / "noc_cycle.py"


def start() -> subprocess.Popen[bytes] | None:
    """The compiling process, None if the kernels were compiled before. Nobody has to wait for it.

    To be called before anything imports a kernel: importing makes the cache folder.
    """
    if compiled_before(_NETWORK):
        return None
    return subprocess.Popen(
        [sys.executable, "-m", "neurosim.run.warm_up"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    """Play a packet, a tree and a partial sum."""
    from neurosim.noc.model import Noc
    from neurosim.noc.tick import TickNetwork

    noc = Noc(width=2, height=2, pipeline="general", switching="packet", multicast="tree")
    network = TickNetwork(noc)
    routes = network.routes([0], [0, 2], [1, 3])
    network.play_many(
        [0, 3],
        [0, 0, 1],
        [1, 0, 2],
        [0, 0, 0],
        size=[32, 32, 40],
        kind=[0, 0, 2],
        routes=routes,
        route=[-1, 0, -1],
        feeds=[-1, -1, -1, 0],
        gate_base=[0],
        gate_offset=[0, 1],
    )


if __name__ == "__main__":
    main()
