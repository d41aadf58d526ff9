"""Neurons in the words of plain NIR, with their exact numbers beside them.

NIR says ``tau dv/dt = (v_leak - v) + r I`` where the soma has a decay per tick. Written is the
equation whose Euler step of `DT` is the soma; ``metadata/neurosim`` holds the soma itself, so that
nothing is lost and no reading has to be chosen. If the two no longer agree, somebody has edited
one of them and the file is refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from neurosim_mapper.nodes import FloatArray, Neuron, Shape
from neurosim_mapper.readers.fields import NodeEntry
from neurosim_mapper.readers.nir_layout import Tree
from neurosim_mapper.readers.own_nodes import neuron_from, neuron_tree

DT: Final = 1e-4  # what snnTorch and SpikingJelly assume, too
SECTION: Final = "neurosim"
TOLERANCE: Final = 1e-5  # a file may have been rewritten in single precision

ANALOG_KINDS: Final = frozenset({"I", "LI", "CubaLI"})


def plain_parameters(neuron: Neuron, shape: Shape) -> tuple[str, dict[str, FloatArray]] | None:
    """NIR type and parameters of a neuron node of `shape`, or None if NIR cannot say it."""

    def get(name: str) -> FloatArray:
        return np.array(neuron.parameter(name, shape))

    alpha, beta, threshold = get("alpha"), get("beta"), get("threshold")
    exotic = (
        neuron.n_max > 1
        or neuron.silent_step
        or neuron.floor is not None
        or neuron.clamp is not None
        or neuron.activation != "identity"
        or neuron.threshold_related
        or get("rho_post").any()
        or (get("v_start") != beta).any()
    )
    if exotic:
        return None
    spiking = neuron.output == "spike"
    if spiking and not alpha.any() and not beta.any() and neuron.alpha_syn is None:
        return "Threshold", {"threshold": threshold}
    if neuron.reset != ("hard" if spiking else "none"):
        return None
    fires = {"v_threshold": threshold, "v_reset": get("v_reset")} if spiking else {}
    if (alpha == 1).all() and not beta.any() and neuron.alpha_syn is None:
        return ("IF" if spiking else "I"), {"r": np.full(shape, 1 / DT)} | fires
    if not ((alpha > 0) & (alpha < 1)).all():
        return None
    leaks = {"r": 1 / (1 - alpha), "v_leak": beta / (1 - alpha)} | fires
    tau = DT / (1 - alpha)
    if neuron.alpha_syn is None:
        return ("LIF" if spiking else "LI"), {"tau": tau} | leaks
    alpha_syn = get("alpha_syn")
    if not ((alpha_syn > 0) & (alpha_syn < 1)).all():
        return None
    synapse = {"tau_mem": tau, "tau_syn": DT / (1 - alpha_syn), "w_in": 1 / (1 - alpha_syn)}
    return ("CubaLIF" if spiking else "CubaLI"), synapse | leaks


def plain_tree(neuron: Neuron, shape: Shape) -> Tree | None:
    """Entries of a plain NIR node that also holds the soma, or None if NIR cannot say it."""
    found = plain_parameters(neuron, shape)
    if found is None or not all(np.isfinite(value).all() for value in found[1].values()):
        return None
    kind, parameters = found
    return {
        "type": kind,
        **parameters,
        "metadata": {SECTION: {"dt": np.float64(DT), **neuron_tree(neuron)}},
    }


def has_soma(entry: NodeEntry) -> bool:
    """Whether the node carries its own soma."""
    return "alpha" in entry.metadata(SECTION)


def soma_of(entry: NodeEntry) -> Neuron:
    """The soma in the metadata of a plain NIR node, checked against its equation.

    Raises InputFileError if the two contradict each other.
    """
    section = NodeEntry(entry.name, entry.kind, entry.metadata(SECTION))
    neuron = neuron_from(section, analog=entry.kind in ANALOG_KINDS, required=("alpha",))
    arrays = (v for v in entry.tree.values() if isinstance(v, np.ndarray))
    shape = max((array.shape for array in arrays), key=len, default=())
    expected = plain_parameters(neuron, shape)
    if expected is None or expected[0] != entry.kind:
        raise entry.fail(_CONTRADICTION)
    for name, value in expected[1].items():
        if not np.allclose(entry.array(name), value, rtol=TOLERANCE, atol=1e-12):
            raise entry.fail(_CONTRADICTION)
    return neuron


_CONTRADICTION: Final = (
    "its equation and the exact numbers that neurosim wrote beside it contradict each other, so "
    "one of them was changed. Choose a reading (for instance 'literal') to go by the equation."
)
