"""From the step equation of a neuron, as frameworks program it, to nodes.

Enters: an `Equation`, the numbers of one layer as they act in one tick. Leaves: a chain of nodes, a
gain in front, the soma, and the value of a spike behind. Used for everything that is not a
differential equation: state dicts with a description, and modules in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim_mapper.nodes import Activation, FloatArray, Linear, Neuron, Node, Scale
from neurosim_mapper.readers.discretise import UNLIMITED_SPIKES, reset_settings
from neurosim_mapper.readers.fields import without_leading_ones
from neurosim_mapper.readers.readings import TIMINGS


@dataclass(frozen=True)
class Equation:
    """One tick of a neuron layer, with x its input::

        I = syn_decay I + x  (decay_then_add)  or  syn_decay (I + x)  (add_then_decay);  I = x
        U = decay V + gain I + constant
        n = U > threshold  or  U >= threshold; with max_spikes other than 1 floor(U / threshold)
        V = U - n subtract (soft), reset_value where n > 0 (hard), U (none); then + reset_add_all;
            at least v_min

    Attributes
    ----------
    threshold : None for a neuron that never fires and puts U out.
    subtract : None means the threshold.
    reset_timing : with `reset` one of `readings.TIMINGS`; ``Reading`` says what they mean.
    max_spikes : None means any number.
    output_factor : a spike counts as this value behind the neuron.
    activation : of an analog-fire neuron (LIAF), of U or, if `threshold_related`, U - threshold.
    clamp, table, table_step : of the activation, as in `Neuron`.
    """

    decay: npt.ArrayLike
    gain: npt.ArrayLike = 1.0
    constant: npt.ArrayLike = 0.0
    threshold: npt.ArrayLike | None = None
    compare: str = ">="
    reset: Literal["hard", "soft", "none"] = "hard"
    reset_timing: str = "same_step"
    reset_value: npt.ArrayLike = 0.0
    subtract: npt.ArrayLike | None = None
    reset_add_all: float = 0.0
    v_start: npt.ArrayLike = 0.0
    v_min: npt.ArrayLike | None = None
    max_spikes: int | None = 1
    output_factor: float = 1.0
    syn_decay: npt.ArrayLike | None = None
    syn_update: str = "decay_then_add"
    activation: Activation | None = None
    threshold_related: bool = False
    clamp: tuple[float, float] | None = None
    table: FloatArray | None = None
    table_step: float = 1.0

    def chain(self) -> tuple[Scale | None, Neuron, Scale | None]:
        """Gain, soma, and factor of the output; None where they would be 1.

        Raises InputFileError for a combination that no soma has, or parameters whose shapes do not
        go together.
        """
        try:
            return self._chain()
        except InputFileError:
            raise
        except ValueError:
            raise InputFileError("parameters have shapes that do not go together.") from None

    def _chain(self) -> tuple[Scale | None, Neuron, Scale | None]:
        decay, gain = _array(self.decay), _array(self.gain)
        constant = _array(self.constant)
        settings: dict[str, Any] = {
            "alpha": decay,
            "beta": constant + decay * self.reset_add_all,
            "v_start": decay * _array(self.v_start) + constant,
        }
        if self.v_min is not None:
            settings["floor"] = decay * _array(self.v_min) + constant
        if self.syn_decay is not None:
            settings["alpha_syn"] = _array(self.syn_decay)
            if self.syn_update == "add_then_decay":
                gain = gain * settings["alpha_syn"]
        if self.threshold is None:
            settings |= {"output": "analog", "reset": "none"}
        else:
            settings |= self._firing()
        before = None if (gain == 1).all() else Scale(gain)
        spikes = settings.get("output") != "analog"
        after = Scale(_array(self.output_factor)) if spikes and self.output_factor != 1 else None
        return before, Neuron(**settings), after

    def _firing(self) -> dict[str, Any]:
        """Threshold, reset and output of a neuron that fires."""
        assert self.threshold is not None
        threshold = _array(self.threshold)
        if self.reset != "none" and (self.reset, self.reset_timing) not in TIMINGS:
            raise InputFileError(
                f"a {self.reset} reset with the timing {self.reset_timing!r} cannot be expressed; "
                "known: " + ", ".join(f"{a} {b}" for a, b in sorted(TIMINGS)) + "."
            )
        found: dict[str, Any] = {
            "threshold": threshold,
            "strict": self.compare == ">",
            "n_max": UNLIMITED_SPIKES if self.max_spikes is None else self.max_spikes,
            **reset_settings(
                self.reset,
                self.reset_timing,
                _array(self.reset_value),
                threshold if self.subtract is None else _array(self.subtract),
            ),
        }
        if self.activation is not None:
            found |= {
                "output": "analog",
                "activation": self.activation,
                "threshold_related": self.threshold_related,
                "clamp": self.clamp,
                "table": self.table,
                "table_step": self.table_step,
            }
        return found


def _array(value: npt.ArrayLike) -> FloatArray:
    return without_leading_ones(np.asarray(value, dtype=np.float64))


def several_synapses(before: Scale | None, soma: Neuron) -> tuple[list[Node], Neuron]:
    """Several synaptic states per neuron: integrators of their own, then added up.

    `soma` has a decay (neurons, synapses) for them; the input has an element for each, row-major.
    """
    alpha = soma.alpha_syn
    assert alpha is not None
    n, k = alpha.shape
    front: list[Node] = [] if before is None else [Scale(before.scale.reshape(-1))]
    state = Neuron(output="analog", reset="none", alpha=alpha.reshape(-1))
    added = Linear(np.kron(np.eye(n), np.ones((1, k))).astype(np.float64))
    return [*front, state, added], replace(soma, alpha_syn=None)


def without_first_bias(before: Scale | None, soma: Neuron, bias: FloatArray) -> Neuron:
    """The soma whose start value takes back what a recurrent bias adds in the first tick.

    For frameworks in which nothing recurrent arrives in the first tick, not even the bias. Raises
    InputFileError with a synaptic state, which would keep the bias.
    """
    if bias.ndim != 1 or soma.alpha_syn is not None:
        raise InputFileError(
            "a recurrent bias that acts from the second tick on needs one value per neuron and no "
            "synaptic state."
        )
    gain = np.asarray(1.0) if before is None else before.scale
    return replace(soma, v_start=soma.v_start - gain * bias)
