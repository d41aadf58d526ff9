"""PyTorch's RNNCell, GRUCell and LSTMCell, called tick by tick in a forward's own loop.

Enters: such a module, and the states that it is called with. Leaves: the layer's node. Promised:
the first call starts from 0, every further one from what the call before put out; anything else
has no form and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.errors import UnsupportedError
from neurosim_mapper.nodes import FloatArray
from neurosim_mapper.recurrent import Recurrent


def is_cell(module: Any) -> bool:
    """Whether a module is one tick of a recurrent layer of torch."""
    from torch import nn

    return isinstance(module, nn.RNNCellBase)


def cell_node(module: Any) -> Recurrent:
    """The layer that a cell is one tick of."""

    def array(name: str) -> FloatArray:
        return np.asarray(getattr(module, name).detach().cpu().numpy(), np.float64)

    kind: Any = type(module).__name__.removesuffix("Cell").lower()
    return Recurrent(
        kind,
        array("weight_ih"),
        array("weight_hh"),
        array("bias_ih") if module.bias else None,
        array("bias_hh") if module.bias else None,
        getattr(module, "nonlinearity", "tanh"),
    )


def check_start(name: str, states: Sequence[Any], known: Sequence[Any]) -> None:
    """UnsupportedError if the first call of a cell starts from something else than 0.

    `known` says what the states are, None or a text where nothing in the network puts them out.
    """
    made = any(value is not None and not isinstance(value, str) for value in known)
    if made or any(bool(state.any()) for state in states):
        raise UnsupportedError(
            f"Layer {name!r} starts from a state that is not 0, a network on a chip starts from 0. "
            "Leave the state of the first call out, or pass zeros."
        )


def check_state(name: str, known: Sequence[Any], own: Sequence[Any]) -> None:
    """UnsupportedError if a further call of a cell goes on from something else than its own state.

    `known` says what the states are, `own` what the cell puts out.
    """
    if list(known) != list(own)[: len(known)] or not known:
        raise UnsupportedError(
            f"Layer {name!r} goes on from another state than the one that it put out in the tick "
            "before. Pass its own state on as it is."
        )
