"""What a neuron layer can be told, checked; the defaults are those of LIAF-Net and DA-LIF."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from neurosim.errors import UsageError
from neurosim_mapper.nodes import ACTIVATIONS, Activation
from neurosim_mapper.torch.surrogates import Surrogate

Sharing = Literal["all", "channel", "non"]
Map = Literal["clamp", "sigmoid", "tanh"]
PARAMETERS: Final = ("threshold", "v_reset", "alpha", "beta")


@dataclass(frozen=True)
class NeuronOptions:
    """Settings of a layer of neurons.

    Attributes
    ----------
    threshold, v_reset : potentials to start the training from.
    alpha, beta : LIF and LIAF: decay per tick and constant added per tick (LIAF-Net eq. 6).
        DA-LIF: gain of the input (spatial decay) and decay per tick (temporal decay).
    sharing : one value of each parameter for the layer (``all``), per channel (``channel``; per
        neuron in a dense layer), or per neuron (``non``).
    trainable : names of the parameters that are trained; True for all four, False for none.
    activation, clamp : output of LIAF; `clamp` limits it afterwards.
    mode : ``NTR`` applies the activation to U, ``TR`` to U - threshold (LIAF-Net eq. 8).
    reset : ``hard`` to `v_reset`, ``soft`` by the threshold, or ``none``.
    decay_map : keeps decays (and the gain of DA-LIF) in range: ``sigmoid`` or ``tanh`` of the
        trained number, or the number itself, limited to -1..1 (``clamp``).
    surrogate, width : gradient of a spike, see `Surrogate`.

    Raises
    ------
    UsageError
        For a value that is not known or not possible.
    """

    threshold: float = 0.5
    v_reset: float = 0.0
    alpha: float = 0.3
    beta: float = 0.0
    sharing: Sharing = "all"
    trainable: Collection[str] | bool = True
    activation: Activation = "relu"
    clamp: tuple[float, float] | None = None
    mode: Literal["NTR", "TR"] = "NTR"
    reset: Literal["hard", "soft", "none"] = "hard"
    decay_map: Map = "clamp"
    surrogate: str = "rectangular"
    width: float = 0.5

    def __post_init__(self) -> None:
        _one_of("sharing", self.sharing, ("all", "channel", "non"))
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("mode", self.mode, ("NTR", "TR"))
        _one_of("reset", self.reset, ("hard", "soft", "none"))
        _one_of("decay_map", self.decay_map, ("clamp", "sigmoid", "tanh"))
        for name in self.trained:
            _one_of("trainable", name, PARAMETERS)
        if self.clamp is not None and not self.clamp[0] < self.clamp[1]:
            raise UsageError(f"clamp is {self.clamp}; needed: low < high.")
        _ = self.bump

    @property
    def trained(self) -> frozenset[str]:
        """Names of the trained parameters."""
        if isinstance(self.trainable, bool):
            return frozenset(PARAMETERS if self.trainable else ())
        return frozenset(self.trainable)

    @property
    def bump(self) -> Surrogate:
        """The gradient of a spike."""
        return Surrogate(self.surrogate, self.width)

    def changed(self, changes: dict[str, Any]) -> NeuronOptions:
        """These options with some of them replaced; UsageError names an unknown one."""
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                raise UsageError(f"Neurons have no option {name!r}; known: {', '.join(known)}.")
        return replace(self, **changes)


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{what} is {value!r}; known: {', '.join(known)}.")


def to_raw(value: float, kind: Map, what: str) -> float:
    """The number whose map is `value`; UsageError if the map does not reach it."""
    low, high = (0.0, 1.0) if kind == "sigmoid" else (-1.0, 1.0)
    inside = low <= value <= high if kind == "clamp" else low < value < high
    if not inside:
        raise UsageError(
            f"{what} is {value}; the map {kind!r} holds numbers between {low:g} and {high:g}"
            f"{'' if kind == 'clamp' else ', ends excluded'}."
        )
    if kind == "sigmoid":
        return math.log(value / (1 - value))
    return math.atanh(value) if kind == "tanh" else value
