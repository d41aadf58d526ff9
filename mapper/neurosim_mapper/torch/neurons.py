"""Neurons without integration: DirectLIAF, DirectLIF, DirectDALIF.

They take whole sequences (batch, ticks, channels, ...) of summed inputs and return their outputs,
same shape. Potentials start at 0 with every call. The equations are those of
`neurosim_mapper.nodes.Neuron`; back-propagation through time is what PyTorch makes of the loop.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from neurosim.errors import UsageError
from neurosim_mapper.nodes import Shape
from neurosim_mapper.torch.activations import activate
from neurosim_mapper.torch.options import PARAMETERS, NeuronOptions, to_raw


class Neurons(nn.Module):
    """Base of the three models; use one of its subclasses.

    Parameters
    ----------
    shape : (channels, ...) of one tick; the number of channels is enough for ``channel`` sharing,
        nothing is needed for ``all``.
    options : settings, the model's defaults if None.
    **changes : single settings that differ from `options`, by name.
    """

    analog: ClassVar[bool]
    dual: ClassVar[bool] = False
    defaults: ClassVar[NeuronOptions]

    def __init__(
        self,
        shape: int | Shape | None = None,
        options: NeuronOptions | None = None,
        **changes: Any,
    ) -> None:
        super().__init__()
        self.options = (options or self.defaults).changed(changes)
        size = self._parameter_shape((shape,) if isinstance(shape, int) else shape)
        for name in PARAMETERS:
            start = torch.full(size, self._start(name))
            self.register_parameter(
                name, nn.Parameter(start, requires_grad=name in self.options.trained)
            )

    def _start(self, name: str) -> float:
        value = float(getattr(self.options, name))
        mapped = name in (("alpha", "beta") if self.dual else ("alpha",))
        return to_raw(value, self.options.decay_map, name) if mapped else value

    def _parameter_shape(self, shape: Shape | None) -> Shape:
        sharing = self.options.sharing
        if sharing == "all":
            return ()
        if not shape:
            raise UsageError(
                f"{type(self).__name__} with sharing {sharing!r} needs shape: the number of "
                "channels for 'channel', (channels, height, width) or (neurons,) for 'non'."
            )
        return (shape[0],) if sharing == "channel" else tuple(shape)

    def _mapped(self, raw: Tensor) -> Tensor:
        kind = self.options.decay_map
        if kind == "sigmoid":
            return torch.sigmoid(raw)
        if kind == "tanh":
            return torch.tanh(raw)
        return raw + (raw.clamp(-1, 1) - raw).detach()  # limited, but never without a gradient

    def effective(self) -> dict[str, Tensor]:
        """What the equations use: threshold, v_reset, alpha (decay), beta, gain (of the input)."""
        threshold, v_reset = self.get_parameter("threshold"), self.get_parameter("v_reset")
        alpha, beta = self.get_parameter("alpha"), self.get_parameter("beta")
        if self.dual:
            gain, decay, constant = self._mapped(alpha), self._mapped(beta), torch.zeros_like(beta)
        else:
            gain, decay, constant = torch.ones_like(alpha), self._mapped(alpha), beta
        return {
            "threshold": threshold,
            "v_reset": v_reset,
            "alpha": decay,
            "beta": constant,
            "gain": gain,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, ticks, ...) for summed inputs of the same shape."""
        p = {name: self._spread(value, x) for name, value in self.effective().items()}
        threshold, v_reset, alpha, beta = (p[name] for name in PARAMETERS)
        spike, reset = self.options.bump, self.options.reset
        if self.dual:
            x = x * p["gain"]
        V = torch.zeros_like(x[:, 0])
        potentials, spikes = [], []
        for current in x.unbind(1):
            U = V + current
            if reset == "none" and self.analog:
                R = U
            else:
                F = spike(U - threshold)
                spikes.append(F)
                R = _reset(U, F, reset, threshold, v_reset)
            V = alpha * R + beta
            potentials.append(U)
        if not self.analog:
            return torch.stack(spikes, dim=1)
        U = torch.stack(potentials, dim=1)
        related = U - threshold if self.options.mode == "TR" else U
        return activate(related, self.options.activation, self.options.clamp)

    @staticmethod
    def _spread(value: Tensor, x: Tensor) -> Tensor:
        """A parameter with as many axes as one tick: (), (channels, 1, ...) or the full shape."""
        if value.ndim == 1:
            return value.reshape(-1, *([1] * (x.ndim - 3)))
        return value

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        o = self.options
        what = f"sharing={o.sharing}, reset={o.reset}"
        return f"{what}, activation={o.activation}, mode={o.mode}" if self.analog else what


def _reset(U: Tensor, F: Tensor, reset: str, threshold: Tensor, v_reset: Tensor) -> Tensor:
    if reset == "hard":
        return U + F * (v_reset - U)
    return U - F * threshold if reset == "soft" else U


class DirectLIAF(Neurons):
    """Leaky integrate and analog fire (LIAF-Net eq. 3 to 8): the spike resets, a value leaves."""

    analog = True
    defaults = NeuronOptions()


class DirectLIF(Neurons):
    """Leaky integrate and fire (LIAF-Net eq. 3 to 7): a spike leaves."""

    analog = False
    defaults = NeuronOptions()


class DirectDALIF(Neurons):
    """Dual adaptive LIF (arXiv 2502.10422): learned gain `alpha` of the input and decay `beta`.

    ``U = beta H + alpha x; S = U >= threshold; H = U (1 - S)``.
    """

    analog = False
    dual = True
    defaults = NeuronOptions(
        threshold=0.5, alpha=0.7, beta=0.3, trainable=("alpha", "beta"), decay_map="tanh"
    )
