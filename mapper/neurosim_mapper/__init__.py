"""The mapper: checkpoint -> float network -> integers -> cores -> placed, routed program.

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Network": "neurosim_mapper.network",
    "QuantizedNetwork": "neurosim_mapper.quantized",
    "read_network": "neurosim_mapper.readers",
    "write_network": "neurosim_mapper.readers",
    "from_torch": "neurosim_mapper.readers.from_torch",
    "run_float": "neurosim_mapper.float_executor",
    "run_reference": "neurosim_mapper.reference",
    "trace_reference": "neurosim_mapper.reference",
    "trace_truenorth": "neurosim_mapper.reference_truenorth",
    "quantize": "neurosim_mapper.quantizer",
    "map_network": "neurosim_mapper.pipeline",
    "Recurrent": "neurosim_mapper.recurrent",
}
_NODES = (
    "Input", "Output", "Linear", "Conv", "Pool", "Flatten", "Scale", "BatchNorm", "Delay",
    "Product", "Neuron", "lif", "liaf",
)  # fmt: skip
_HOME |= dict.fromkeys(_NODES, "neurosim_mapper.nodes")

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neurosim_mapper' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
