"""The reference executor: a `QuantizedNetwork` in plain numpy, without cores and packets.

Enters: an integer network and inputs (samples, ticks, *input shape). Leaves: the integers that a
chip must give, in sample time. Promised: exact 64-bit arithmetic, one line per step of the soma,
nothing clever. The simulator is held against this file bit for bit; when the two differ, this
one is right.

One tick of a layer, in this order (DESIGN.md section 3; shapes (samples, n_neurons))::

    acc = sum over projections of connection.apply(values of the source, delay_ticks ago)
    if silent_step and the neuron fired in the previous tick: acc and bias are dropped
    with a synaptic state I (current-based neurons): acc and bias go into
        I = saturate(shift_right(alpha_syn * I, alpha_shift) + (acc << weight_shift) + bias)
    and I takes their place; the silent step drops I from U, and I goes on.
    U   = saturate(V + (acc << weight_shift) + bias)
    n   = 0 if U < theta; else 1 if n_max is 1; else min(U // theta, n_max)
          (theta + rho instead of theta, if R >= theta in the previous tick: soft_raised only)
    R   = v_reset if n > 0 else U (hard);  U - n * rho (soft, soft_raised);  U (none)
    V'  = max(saturate(shift_right(alpha_num * R, alpha_shift) + beta - n * rho_post), floor)
    Y   = n (spike), or the requantised activation of U - act_subtract (analog)

The bias counts as input, so the silent step drops it together with the sums: that is what the
frameworks with this rule do (snnTorch's reset-to-zero multiplies the whole update, bias included,
by 0). The decay and beta act in a silent step as in any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.fixed_point import saturate, shift_right
from neurosim.run.encoding import encode_input
from neurosim_mapper.connections import IntArray
from neurosim_mapper.quantized import INPUT, QuantizedLayer, QuantizedNetwork

Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ReferenceTrace:
    """What happened in each layer; every array (samples, ticks, n_neurons).

    Attributes
    ----------
    membrane : V' of each layer by name: the potential after reset and decay, int32.
    potential : U of each layer by name, before the reset, int32; empty unless asked for.
    fired : spikes per tick that reset the neuron (also of analog layers), int32.
    values : what each layer sends: spike counts or activation values, int32.
    input_values : (samples, ticks, n_inputs) int32, the packets of the host.
    output : name of the layer that is read out.
    """

    membrane: Mapping[str, Int32Array]
    potential: Mapping[str, Int32Array]
    fired: Mapping[str, Int32Array]
    values: Mapping[str, Int32Array]
    input_values: Int32Array
    output: str

    @property
    def outputs(self) -> Int32Array:
        """Values of the output layer, (samples, ticks, n_outputs)."""
        return self.values[self.output]


@dataclass
class _State:
    """Arrays of one layer, (samples, n_neurons) int64."""

    V: IntArray
    fired: IntArray  # spikes of the previous tick
    current: IntArray  # synaptic state; stays 0 without one
    raised: IntArray  # 1 where the threshold is higher by rho; stays 0 without soft_raised


def run_reference(quantized: QuantizedNetwork, x: npt.ArrayLike) -> Int32Array:
    """Output integers of every tick.

    Parameters
    ----------
    quantized : the network.
    x : (samples, ticks, *input_shape) in the user's units; encoded with `quantized.input_code`.

    Returns
    -------
    (samples, ticks, n_outputs) int32: spike counts, or activation values in steps of the output
    layer's `output_unit`.

    Raises
    ------
    InputFileError
        If x has another shape, is not finite, or holds values that the input cannot carry.
    """
    return trace_reference(quantized, x, layers=(quantized.output,)).outputs


def trace_reference(
    quantized: QuantizedNetwork,
    x: npt.ArrayLike,
    *,
    layers: tuple[str, ...] | None = None,
    potential: bool = False,
) -> ReferenceTrace:
    """Run the network and keep what its layers did.

    Parameters
    ----------
    quantized, x : as in `run_reference`.
    layers : names of the layers to keep, all when None.
    potential : keep U as well.

    Raises
    ------
    InputFileError
        As `run_reference`.
    UsageError
        If `layers` names a layer that does not exist.
    """
    inputs = encode_input(x, quantized.input_shape, quantized.input_code).astype(np.int64)
    n_samples, n_ticks = inputs.shape[:2]
    kept = tuple(quantized.by_name) if layers is None else layers
    _check_names(quantized, kept)
    record = _empty_record(quantized, kept, n_samples, n_ticks, potential)
    state = {layer.name: _start(layer, n_samples) for layer in quantized.layers}
    past: dict[str, dict[int, IntArray]] = {name: {} for name in (INPUT, *quantized.by_name)}
    for tick in range(n_ticks):
        past[INPUT][tick] = inputs[:, tick]
        for layer in quantized.layers:
            acc = _summed_input(layer, past, tick, n_samples)
            U, n, Y = _soma_tick(layer, state[layer.name], acc, quantized.membrane_bits)
            past[layer.name][tick] = Y
            if layer.name in kept:
                record["membrane"][layer.name][:, tick] = state[layer.name].V
                record["fired"][layer.name][:, tick] = n
                record["values"][layer.name][:, tick] = Y
                if potential:
                    record["potential"][layer.name][:, tick] = U
        for values in past.values():
            values.pop(tick - quantized.max_delay_ticks, None)
    return ReferenceTrace(**record, input_values=inputs.astype(np.int32), output=quantized.output)


def _check_names(quantized: QuantizedNetwork, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in quantized.by_name:
            raise UsageError(
                f"There is no layer {name!r} to trace; known: {', '.join(quantized.by_name)}."
            )


def _empty_record(
    quantized: QuantizedNetwork,
    kept: tuple[str, ...],
    n_samples: int,
    n_ticks: int,
    potential: bool,
) -> dict[str, dict[str, Int32Array]]:
    def arrays() -> dict[str, Int32Array]:
        return {
            name: np.zeros((n_samples, n_ticks, quantized.by_name[name].n_neurons), np.int32)
            for name in kept
        }

    return {
        "membrane": arrays(),
        "potential": arrays() if potential else {},
        "fired": arrays(),
        "values": arrays(),
    }


def _start(layer: QuantizedLayer, n_samples: int) -> _State:
    V = np.tile(layer.columns.v_start.astype(np.int64), (n_samples, 1))
    zeros = np.zeros_like(V)
    return _State(V=V, fired=zeros, current=zeros, raised=zeros)


def _summed_input(
    layer: QuantizedLayer, past: Mapping[str, Mapping[int, IntArray]], tick: int, n_samples: int
) -> IntArray:
    """Sum of all projections, (samples, n_neurons); sources are silent before tick 0."""
    acc = np.zeros((n_samples, layer.n_neurons), np.int64)
    for projection in layer.projections:
        when = tick - projection.delay_ticks
        if when >= 0:
            acc += projection.connection.apply(past[projection.source][when])
    return acc


def _soma_tick(
    layer: QuantizedLayer, state: _State, acc: IntArray, membrane_bits: int
) -> tuple[IntArray, IntArray, IntArray]:
    """U, spikes n and output Y of one tick; updates `state`."""
    modes = layer.modes
    c = {name: column.astype(np.int64) for name, column in layer.columns._asdict().items()}
    drive = (acc << modes.weight_shift) + c["bias"]
    if layer.alpha_syn is not None:
        kept = layer.alpha_syn.astype(np.int64) * state.current
        kept = shift_right(kept, modes.alpha_shift, modes.rounding)
        state.current = saturate(kept + drive, membrane_bits)
        drive = state.current.copy()
    if modes.silent_step:
        drive[state.fired > 0] = 0
    U = saturate(state.V + drive, membrane_bits)
    n = _spikes(U, c["theta"] + state.raised * c["rho"], modes.n_max)
    if modes.reset == "hard":
        R = np.where(n > 0, c["v_reset"], U)
    elif modes.reset == "none":
        R = U
    else:
        R = U - n * c["rho"]
    if modes.reset == "soft_raised":
        state.raised = (c["theta"] <= R).astype(np.int64)
    decayed = shift_right(c["alpha_num"] * R, modes.alpha_shift, modes.rounding)
    decayed = saturate(decayed + c["beta"] - n * c["rho_post"], membrane_bits)
    state.V = np.maximum(decayed, c["floor"])
    state.fired = n
    return U, n, n if modes.output == "spike" else _activation(layer, U)


def _spikes(U: IntArray, theta: IntArray, n_max: int) -> IntArray:
    fires = theta <= U
    if n_max == 1:
        return fires.astype(np.int64)
    return np.where(fires, np.minimum(U // theta, n_max), 0)


def _activation(layer: QuantizedLayer, U: IntArray) -> IntArray:
    """Requantised output of an analog layer."""
    modes, columns = layer.modes, layer.columns
    scaled = (U - columns.act_subtract.astype(np.int64)) * columns.act_mult.astype(np.int64)
    z = shift_right(scaled, modes.act_shift, "nearest")
    if modes.lut is not None:
        table, low = np.asarray(modes.lut, dtype=np.int64), -128 if modes.activation == "lut" else 0
        return table[np.clip(z, low, low + 255) - low]
    if modes.activation == "relu":
        z = np.maximum(z, 0)
    return np.clip(z, modes.act_low, modes.act_high)
