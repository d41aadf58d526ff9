"""RNN, GRU and LSTM layers in descriptions: their section, and how their tensors are recognised."""

from __future__ import annotations

from typing import Any, Final

from neurosim_mapper.nodes import FloatArray, Node
from neurosim_mapper.readers.description_fields import Section
from neurosim_mapper.recurrent import GATES, Recurrent

KEYS: Final = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def read_gated(section: Section) -> Node:
    """The layer that a section of kind rnn, gru or lstm describes."""

    def optional(key: str) -> FloatArray | None:
        return section.tensor(key) if section.has(key) else None

    kind: Any = section.text("kind", tuple(GATES))
    activation: Any = section.text("activation", ("tanh", "relu"), "tanh")
    weights = section.tensor("weight_ih"), section.tensor("weight_hh")
    return Recurrent(kind, *weights, optional("bias_ih"), optional("bias_hh"), activation)


def guess_gated(name: str, shapes: dict[str, tuple[int, ...]]) -> list[dict[str, Any]]:
    """Sections for tensors named as in PyTorch's recurrent layers; none if there are none.

    The number of gates tells the kind; whether an RNN has tanh or ReLU no tensor tells.
    """
    found = []
    number = 0
    while {f"weight_ih_l{number}", f"weight_hh_l{number}"} <= shapes.keys():
        rows, cells = shapes[f"weight_hh_l{number}"][:2]
        kind = {gates: kind for kind, gates in GATES.items()}.get(rows // cells)
        if kind is None:
            return []
        own = [key for key in KEYS if f"{key}_l{number}" in shapes]
        prefix = f"{name}." if name else ""
        section = {"name": f"{prefix}l{number}", "kind": kind}
        section |= {key: f"{prefix}{key}_l{number}" for key in own}
        found.append(section | ({"activation": "?"} if kind == "rnn" else {}))
        number += 1
    return found
