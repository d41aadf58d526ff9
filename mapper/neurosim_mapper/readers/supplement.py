"""What a framework leaves out of its NIR files, taken from the network's own state dict.

Rockpool writes neither the bias of its neurons nor their recurrent weights. Nothing in a file tells
whether the network had any, so that this is said whenever such a file is read; the choice
``missing=net.pt`` of a reading names a file (.pt, .safetensors, .npz) that has them, as NODE.bias
(n,), added to U in every tick, and NODE.w_rec (n, n), from neuron (row) to neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from neurosim.errors import InputFileError
from neurosim_mapper.nodes import FloatArray, Linear, Neuron
from neurosim_mapper.readers.readings import Reading
from neurosim_mapper.readers.state_dict import read_state_dict

WRITES_LESS: Final = frozenset({"rockpool"})
BIAS, RECURRENT = "bias", "w_rec"


@dataclass(frozen=True)
class Supplement:
    """Tensors by ``node.name``, and what is to be said about them; `lost`: what may be missing."""

    tensors: dict[str, FloatArray]
    notes: tuple[str, ...] = ()
    lost: str | None = None

    def complete(self, name: str, neuron: Neuron) -> tuple[Neuron, Linear | None]:
        """The neuron of this node with its bias, and its connection to itself."""
        bias, back = (self.tensors.get(f"{name}.{key}") for key in (BIAS, RECURRENT))
        if bias is not None:
            beta, start = (np.asarray(v + bias) for v in (neuron.beta, neuron.v_start))
            floor = None if neuron.floor is None else np.asarray(neuron.floor + bias)
            neuron = replace(neuron, beta=beta, v_start=start, floor=floor)
        return neuron, None if back is None else Linear(back.T)


def supplement_of(reading: Reading | None, neurons: Sequence[str]) -> Supplement:
    """What the reading's `missing` file has for these neurons.

    Raises InputFileError if it cannot be read, or has nothing for any of them.
    """
    if reading is None or not neurons:
        return Supplement({})
    if reading.missing is None:
        lost = _lost(reading, neurons) if reading.name in WRITES_LESS else None
        return Supplement({}, () if lost is None else (lost,), lost)
    path = Path(reading.missing)
    if not path.is_file():
        raise InputFileError(f"the reading's missing={reading.missing!r} does not exist.")
    found = read_state_dict(path).tensors
    wanted = [f"{name}.{key}" for name in neurons for key in (BIAS, RECURRENT)]
    tensors = {key: np.asarray(found[key], np.float64) for key in wanted if key in found}
    if not tensors:
        raise InputFileError(
            f"{path} has none of {', '.join(wanted[:4])}{', ...' if wanted[4:] else ''}; it has "
            f"{', '.join(list(found)[:6])}{', ...' if len(found) > 6 else ''}."
        )
    return Supplement(tensors, (f"Taken from {path.name}: {', '.join(tensors)}.",))


def _lost(reading: Reading, neurons: Sequence[str]) -> str:
    listed = ", ".join(repr(name) for name in neurons[:4]) + (", ..." if neurons[4:] else "")
    return (
        f"{reading.name.capitalize()} does not write the bias and the recurrent weights of neurons "
        f"({listed}) into NIR files; they count as 0 here. If the network has any, name its state "
        f"dict: --reading {reading.name},missing=net.pt, with net.pt from "
        f"torch.save(net.state_dict(), 'net.pt'), which holds {neurons[0]}.{BIAS} and "
        f"{neurons[0]}.{RECURRENT}."
    )
