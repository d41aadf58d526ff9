"""A study of four small points, two of which fail: the chip of these has a single axon per core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurosim.files.strict_yaml import dump_yaml
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf, lif
from neurosim_mapper.readers import write_network

N_POINTS = 4


def write_study(folder: Path, **changes: Any) -> Path:
    """study.yaml with its files net.nir and x.npz; `changes` replace keys of the study."""
    rng = np.random.default_rng(3)
    weights = [rng.integers(-3, 5, size=shape).astype(float) for shape in ((10, 8), (3, 10))]
    nodes = [Input((8,)), Linear(weights[0]), liaf(6.0, 0.5, "relu", clamp=(0.0, 127.0))]
    network = Network.sequential([*nodes, Linear(weights[1]), lif(8.0, 0.5)])
    write_network(network, folder / "net.nir")
    if not (folder / "x.npz").exists():
        x, y = rng.integers(0, 2, size=(4, 3, 8)), rng.integers(0, 3, size=4)
        np.savez(folder / "x.npz", x=x, y=y)
    study = {
        "schema": "neurosim-study/1",
        "name": "four points",
        "fixed": {
            "network": "net.nir",
            "chip": "tianjic",
            "input": "x.npz",
            "placer": "row-major",
            "core.fan_in_extension": "none",
        },
        "grid": {"core.axons": [64, 1], "weight_bits": [4, 8]},
    }
    path = folder / "study.yaml"
    path.write_text(dump_yaml(study | changes))
    return path
