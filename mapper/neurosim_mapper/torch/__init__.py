"""Train LIAF, LIF and DA-LIF networks in PyTorch and bring them to a chip in one call.

`DenseLIAF`, `ConvLIF`, ... are ordinary modules over (batch, ticks, ...); `export_network` and
`save_checkpoint` write what they compute; `quantization_aware` trains in the chip's own integers.
See README.md in this folder. Needs the extra ``train``.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        "neurosim_mapper.torch needs PyTorch, which is not installed. "
        "Install it with: pip install 'neurosim-toolchain[train]'"
    ) from error

from neurosim_mapper.torch.export import export_network, save_checkpoint
from neurosim_mapper.torch.layers import (
    MODELS,
    ConvDALIF,
    ConvLIAF,
    ConvLIF,
    DenseDALIF,
    DenseLIAF,
    DenseLIF,
    PoolingDALIF,
    PoolingLIAF,
    PoolingLIF,
)
from neurosim_mapper.torch.neurons import DirectDALIF, DirectLIAF, DirectLIF, Neurons
from neurosim_mapper.torch.norms import FrozenNorm, freeze_norms
from neurosim_mapper.torch.options import NeuronOptions
from neurosim_mapper.torch.qat import QuantizationAware, quantization_aware
from neurosim_mapper.torch.recurrent import ConvRecurrent
from neurosim_mapper.torch.surrogates import SURROGATES, Surrogate
from neurosim_mapper.torch.time import TimeDistributed, TimeReduce

__all__ = [
    "MODELS",
    "SURROGATES",
    "ConvDALIF",
    "ConvLIAF",
    "ConvLIF",
    "ConvRecurrent",
    "DenseDALIF",
    "DenseLIAF",
    "DenseLIF",
    "DirectDALIF",
    "DirectLIAF",
    "DirectLIF",
    "FrozenNorm",
    "NeuronOptions",
    "Neurons",
    "PoolingDALIF",
    "PoolingLIAF",
    "PoolingLIF",
    "QuantizationAware",
    "Surrogate",
    "TimeDistributed",
    "TimeReduce",
    "export_network",
    "freeze_norms",
    "quantization_aware",
    "save_checkpoint",
]
