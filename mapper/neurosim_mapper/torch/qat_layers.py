"""One layer of a chip, trainable: integers forwards, gradients through the rounding.

The numbers are trained in the units of the float network; the units themselves (size of a weight
step, fractional bits of the potential, code of the output) were fixed by `quantize` and stay.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neurosim.errors import UnsupportedError
from neurosim.fixed_point import signed_limits
from neurosim_mapper.fold import FoldedLayer
from neurosim_mapper.linear_maps import ConvMap, DenseMap, DiagonalMap, LinearMap
from neurosim_mapper.nodes import FloatArray, Neuron
from neurosim_mapper.quantized import QuantizedLayer
from neurosim_mapper.torch.activations import activate
from neurosim_mapper.torch.integers import rounded, saturated, shifted_right, straight
from neurosim_mapper.torch.surrogates import Surrogate

TRAINED: Final = ("threshold", "v_reset", "alpha", "beta", "rho")


class QatProjection(nn.Module):
    """A linear map with integer weights; `fixed` maps (pooling, one-to-one) are not trained.

    Parameters
    ----------
    row_unit : (n_out,) size of a weight step in the units of the float weights.
    """

    def __init__(
        self, linear: LinearMap, delay_ticks: int, row_unit: FloatArray, weight_bits: int
    ) -> None:
        super().__init__()
        self.linear, self.delay_ticks = linear, delay_ticks
        self.limits = signed_limits(weight_bits)
        self.row_unit: Tensor
        self.register_buffer("row_unit", torch.from_numpy(_row_unit(linear, row_unit)))
        self.weight = nn.Parameter(
            torch.from_numpy(np.array(linear.values)).float(),
            requires_grad=not isinstance(linear, DiagonalMap),
        )

    def integers(self, dtype: torch.dtype) -> Tensor:
        """The weights in steps."""
        return rounded(self.weight.to(dtype) / self.row_unit.to(dtype), *self.limits)

    def forward(self, x: Tensor) -> Tensor:
        """Sums (batch, ticks, n_out) for values (batch, ticks, n_in)."""
        ticks = x.shape[1]
        if self.delay_ticks:
            x = functional.pad(x, (0, 0, self.delay_ticks, 0))[:, :ticks]
        weight = self.integers(x.dtype)
        if isinstance(self.linear, DenseMap):
            return x @ weight.T
        if isinstance(self.linear, DiagonalMap):
            return x * weight
        assert isinstance(self.linear, ConvMap)
        image = x.reshape(-1, *self.linear.in_shape)
        return convolve(image, weight, self.linear).reshape(*x.shape[:2], -1)


def convolve(image: Tensor, weight: Tensor, conv: ConvMap) -> Tensor:
    """The convolution of `conv` with other weights."""
    (top, bottom), (left, right) = conv.padding
    padded = functional.pad(image, (left, right, top, bottom))
    return functional.conv2d(padded, weight, None, conv.stride, 0, conv.dilation, conv.groups)


def _row_unit(linear: LinearMap, unit: FloatArray) -> FloatArray:
    """`unit` (n_out,) in the shape that divides the weights."""
    if isinstance(linear, DenseMap):
        return unit[:, None].copy()
    if isinstance(linear, ConvMap):
        per_channel = unit.reshape(linear.out_shape[0], -1)[:, 0]
        return per_channel[:, None, None, None].copy()
    return unit.copy()


class QatLayer(nn.Module):
    """Neurons with all that leads to them, in the integers of a chip.

    Parameters
    ----------
    folded : float numbers to start from.
    target : the same layer quantised; its units, shifts and output code are kept.
    source_units : size of one value of each source, by name.
    """

    unit: Tensor
    mult: Tensor
    table: Tensor

    def __init__(
        self,
        folded: FoldedLayer,
        target: QuantizedLayer,
        source_units: dict[str, float],
        weight_bits: int,
        membrane_bits: int,
        bump: Surrogate,
    ) -> None:
        super().__init__()
        _check(folded)
        self.name, self.shape, self.neuron = folded.name, folded.shape, folded.neuron
        self.modes, self.notes, self.output_unit = target.modes, target.notes, target.output_unit
        self.membrane_bits, self.bump = membrane_bits, bump
        self.sources = [p.source for p in folded.projections]
        self.weight_unit = target.membrane_unit * 2.0**target.modes.weight_shift
        self.projections = nn.ModuleList(
            QatProjection(
                p.map, p.delay_ticks, self.weight_unit / source_units[p.source], weight_bits
            )
            for p in folded.projections
        )
        self.register_buffer("unit", torch.from_numpy(target.membrane_unit.copy()))
        self.register_buffer("mult", torch.from_numpy(target.columns.act_mult.astype(np.float64)))
        table = np.zeros(256) if target.modes.lut is None else np.asarray(target.modes.lut)
        self.register_buffer("table", torch.from_numpy(table.astype(np.float64)))
        for name in (*TRAINED, "rho_post", "v_start"):
            value = torch.from_numpy(np.array(getattr(folded.neuron, name))).float()
            self.register_parameter(name, nn.Parameter(value, requires_grad=name in TRAINED))
        self.bias = _bias(folded)
        if folded.spikes_in:  # a maximum pool of spikes is an OR and must stay one
            self.requires_grad_(False)

    def _spread(self, value: Tensor) -> Tensor:
        """A parameter as (n_neurons,)."""
        if value.ndim == 1 and len(self.shape) > 1:
            value = value.reshape(-1, *([1] * (len(self.shape) - 1)))
        return value.expand(self.shape).reshape(-1)

    def columns(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Per-neuron integers, named as in `LiafColumns`; (n_neurons,) each."""
        low, high = signed_limits(self.membrane_bits)
        unit = self.unit.to(dtype)

        def steps(value: Tensor, most: int = high) -> Tensor:
            return rounded(self._spread(value).to(dtype) / unit, low, most)

        found = {
            name: steps(getattr(self, name))
            for name in ("v_reset", "beta", "rho", "rho_post", "v_start")
        }
        one = 2.0**self.modes.alpha_shift
        floor = self.neuron.floor
        found["theta"] = steps(self.get_parameter("threshold"), high + 1)
        found["alpha_num"] = rounded(
            self._spread(self.get_parameter("alpha")).to(dtype) * one, -one, one
        )
        bias = torch.zeros(()) if self.bias is None else self.bias
        found["bias"] = steps(bias)
        found["floor"] = (
            torch.full_like(unit, low) if floor is None else steps(torch.from_numpy(floor.copy()))
        )
        return found

    def forward(self, sources: list[Tensor]) -> Tensor:
        """Packet values (batch, ticks, n_neurons) for the values of the sources, whole numbers."""
        c = self.columns(sources[0].dtype)
        drives = [p(x) for p, x in zip(self.projections, sources, strict=True)]
        drive = torch.stack(drives).sum(dim=0) if len(drives) > 1 else drives[0]
        drive = drive * 2.0**self.modes.weight_shift + c["bias"]
        V = c["v_start"].expand(drive[:, 0].shape)
        potentials, spikes = [], []
        for current in drive.unbind(1):
            U = saturated(V + current, self.membrane_bits)
            F = self.bump((U - c["theta"]) * self.unit.to(U.dtype))
            if self.modes.reset == "hard":
                R = U + F * (c["v_reset"] - U)
            else:
                R = U - F * c["rho"] if self.modes.reset == "soft" else U
            kept = shifted_right(c["alpha_num"] * R, self.modes.alpha_shift, self.modes.rounding)
            kept = saturated(kept + c["beta"] - F * c["rho_post"], self.membrane_bits)
            V = torch.maximum(kept, c["floor"])
            potentials.append(U)
            spikes.append(F)
        if self.modes.output == "spike":
            return torch.stack(spikes, dim=1)
        U = torch.stack(potentials, dim=1)
        return self._activated(U - c["theta"] if self.neuron.threshold_related else U)

    def _activated(self, related: Tensor) -> Tensor:
        """Requantised output of an analog layer."""
        modes = self.modes
        z = shifted_right(related * self.mult.to(related.dtype), modes.act_shift, "nearest")
        if modes.activation == "lut":
            index = z.clamp(-128, 127)
            potential = index * float(self.notes["activation_unit"])
            smooth = activate(potential, self.neuron.activation, self.neuron.clamp)
            value = self.table.to(z.dtype)[index.detach().long() + 128]
            return straight(smooth / self.output_unit, value)
        if modes.activation == "relu":
            z = torch.relu(z)
        return z.clamp(modes.act_low, modes.act_high)


def _check(folded: FoldedLayer) -> None:
    """Refuse what the trainable soma does not do, by name."""
    neuron: Neuron = folded.neuron
    for present, what in (
        (neuron.n_max > 1, "several spikes per tick"),
        (neuron.silent_step, "a silent step after a spike"),
        (neuron.strict, "a strict comparison"),
        (neuron.reset == "soft_raised", "the reset 'soft_raised'"),
        (neuron.alpha_syn is not None, "synaptic currents"),
        (neuron.table is not None, "an activation from a table"),
    ):
        if present:
            raise UnsupportedError(
                f"Layer {folded.name!r} has {what}, which quantisation-aware training does not "
                "know. Quantise the network without it."
            )
    if len(folded.shape) > 1 and any(isinstance(p.map, DenseMap) for p in folded.projections):
        raise UnsupportedError(
            f"Layer {folded.name!r} is an image behind linear layers that together are no "
            "convolution. Put a neuron between them."
        )


def _bias(folded: FoldedLayer) -> nn.Parameter | None:
    """Bias per channel, or None if there is none."""
    image = folded.bias.reshape(folded.shape[0], -1)
    if not image.any():
        return None
    if (image != image[:, :1]).any():
        raise UnsupportedError(
            f"Layer {folded.name!r}: its bias differs inside a channel: a normalisation in front "
            "of a padded convolution, or a gain per neuron, does that. Put the normalisation "
            "behind the convolution, or share the gain."
        )
    return nn.Parameter(torch.from_numpy(image[:, 0].copy()).float())
