"""Tensors as arrays."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from neurosim_mapper.nodes import FloatArray


def numbers(tensor: Tensor) -> FloatArray:
    """A tensor as float64 array."""
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
