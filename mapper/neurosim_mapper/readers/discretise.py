"""From the differential equation of a NIR neuron to the soma that is stepped once per tick.

Enters: the parameters of one node (I, IF, LI, LIF, CubaLI, CubaLIF, Threshold) and a `Reading`.
Leaves: the gain of its input and a `Neuron`. For a membrane ``tau dv/dt = (v_leak - v) + r I``
with decay a the step is ``U = a U' + gain x + (1 - a) v_leak``; the constant goes into `beta`,
which acts before the next tick, so that the start value takes one decay with it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from neurosim_mapper.nodes import FloatArray, Neuron
from neurosim_mapper.readers.fields import NodeEntry, without_leading_ones
from neurosim_mapper.readers.readings import Reading, settled_timing

UNLIMITED_SPIKES: Final = 2**31 - 1
DYNAMIC_KINDS: Final = frozenset({"I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"})
LEAKY_KINDS: Final = DYNAMIC_KINDS - {"I", "IF"}
NEURON_KINDS: Final = DYNAMIC_KINDS | {"Threshold"}
SPIKING_KINDS: Final = frozenset({"IF", "LIF", "CubaLIF"})


# Name and, where a file may leave it out, the value that is meant.
PARAMETERS: Final[dict[str, dict[str, float | None]]] = {
    "I": {"r": None},
    "IF": {"r": None, "v_threshold": None, "v_reset": 0.0},
    "LI": {"tau": None, "r": None, "v_leak": 0.0},
    "LIF": {"tau": None, "r": None, "v_leak": 0.0, "v_threshold": None, "v_reset": 0.0},
    "CubaLI": {"tau_mem": None, "tau_syn": None, "r": None, "v_leak": 0.0, "w_in": 1.0},
    "CubaLIF": {
        "tau_mem": None,
        "tau_syn": None,
        "r": None,
        "v_leak": 0.0,
        "w_in": 1.0,
        "v_threshold": None,
        "v_reset": 0.0,
    },
    "Threshold": {"threshold": None},
}
MAY_BE_INFINITE: Final = frozenset({"tau", "tau_mem", "tau_syn", "r"})

Parameters = dict[str, FloatArray]


def discretise(
    entry: NodeEntry, reading: Reading, recurrent: bool = False
) -> tuple[FloatArray, Neuron]:
    """Gain of the input and soma of a neuron node; `recurrent` if it leads back to itself.

    Raises InputFileError for parameters that are missing, not finite, of shapes that do not go
    together, or that mean no decay at all (tau of 0 or below, unless the reading clamps decays).
    """
    values = _parameters(entry)
    one = np.asarray(1.0)
    if entry.kind == "Threshold":
        zero = np.asarray(0.0)
        return one, Neuron(threshold=values["threshold"], alpha=zero, reset="none", strict=True)
    spiking = entry.kind in SPIKING_KINDS
    rule = reading.gain if spiking or reading.li_gain is None else reading.li_gain
    if entry.kind in ("I", "IF"):
        alpha, gain = one, values["r"] * reading.tick if rule == "file" else one
        if not np.isfinite(gain).all():
            raise entry.fail("'r' is infinite.")
    else:
        alpha, gain = _membrane(entry, values, reading, rule)
    settings: dict[str, Any] = {"alpha": alpha}
    if entry.kind.startswith("Cuba") or (reading.tau_syn is not None and spiking):
        settings["alpha_syn"], gain_syn = _synapse(entry, values, reading)
        gain = gain * gain_syn
    settings |= _constants(values, reading, alpha)
    if spiking:
        settings |= _firing(values, reading, "alpha_syn" in settings, recurrent)
    else:
        settings |= {"output": "analog", "reset": "none"}
    return gain, Neuron(**settings)


def time_step_of(entry: NodeEntry) -> float:
    """The tick that Rockpool writes into r of a leaky node: r = tau exp(-dt/tau) / dt.

    With z = dt/tau this is z exp(z) = 1/r. Raises InputFileError if r and tau of the node's neurons
    do not tell one tick.
    """
    values = _parameters(entry)
    tau = values["tau" if "tau" in values else "tau_mem"]
    tau, r = np.broadcast_arrays(tau, values["r"])
    usable = np.isfinite(tau) & np.isfinite(r) & (tau > 0) & (r > 0)
    z = np.log1p(1 / r[usable])
    for _ in range(60):  # Newton on z + log z + log r, which is concave: no overshoot below 0
        z = np.maximum(z - (z + np.log(z) + np.log(r[usable])) / (1 + 1 / z), z / 10)
    told = z * tau[usable]
    if not told.size or float(np.ptp(told)) > 1e-3 * float(told.min()):
        found = f" ({told.min():g} to {told.max():g})" if told.size else ""
        raise entry.fail(f"'r' and the time constants do not tell one tick{found}. Say dt.")
    middle = float(np.median(told))
    rounded = float(f"{middle:.5g}")
    return rounded if abs(rounded - middle) < 3e-6 * middle else middle


def _parameters(entry: NodeEntry) -> Parameters:
    """All parameters of a node, shaped so that they go together elementwise."""
    found: Parameters = {}
    for name, default in PARAMETERS[entry.kind].items():
        if default is not None and not entry.has(name):
            found[name] = np.asarray(default)
        else:
            found[name] = without_leading_ones(entry.array(name, name in MAY_BE_INFINITE))
    largest = max(found.values(), key=lambda a: a.ndim).shape
    for name, array in found.items():
        if array.ndim == 1 and len(largest) > 1 and array.size == largest[0] > 1:
            found[name] = array.reshape(-1, *([1] * (len(largest) - 1)))
    try:
        np.broadcast_shapes(*(array.shape for array in found.values()))
    except ValueError:
        listed = ", ".join(f"{name} {array.shape}" for name, array in found.items())
        raise entry.fail(f"parameters of different shapes: {listed}.") from None
    return found


def _constants(values: Parameters, reading: Reading, alpha: FloatArray) -> dict[str, Any]:
    """What the leak adds, where a potential starts and where it ends."""
    v_leak = values.get("v_leak", np.asarray(0.0))
    drift = (1 - alpha) * v_leak
    start = {
        "zero": np.asarray(0.0),
        "v_leak": v_leak,
        "v_reset": values.get("v_reset", np.asarray(0.0)),
    }[reading.v_start]
    found: dict[str, Any] = {
        "beta": drift + alpha * reading.reset_add_all,
        "v_start": alpha * start + drift,
    }
    if reading.v_min is not None:
        # The clamp acts on what the reset left; the soma's floor on what the leak makes of it.
        found["floor"] = alpha * reading.v_min + drift
    return found


def reset_settings(
    reset: str, timing: str, reset_value: FloatArray, subtract: FloatArray
) -> dict[str, Any]:
    """Fields of a `Neuron` for a reset with one of `TIMINGS`."""
    if reset == "hard":
        silent = timing == "next_step_drop_input"
        return {"reset": "hard", "v_reset": reset_value, "silent_step": silent}
    if reset == "none":
        return {"reset": "none"}
    if timing == "next_step_after_leak":
        return {"reset": "soft", "rho_post": subtract}
    return {"reset": "soft_raised" if timing == "same_step_raised" else "soft", "rho": subtract}


def _firing(
    values: Parameters, reading: Reading, current_based: bool, recurrent: bool
) -> dict[str, Any]:
    """Threshold and reset of a neuron that fires."""
    threshold = values["v_threshold"]
    timing = settled_timing(
        reading.reset_timing, reading.reset, current_based, recurrent, threshold
    )
    value, amount = reading.reset_value, reading.subtract
    return {
        "threshold": threshold,
        "strict": reading.compare == ">",
        "n_max": UNLIMITED_SPIKES if reading.max_spikes is None else reading.max_spikes,
        **reset_settings(
            reading.reset,
            timing,
            values["v_reset"] if value is None else np.asarray(value),
            threshold if amount is None else np.asarray(amount),
        ),
    }


def _membrane(
    entry: NodeEntry, values: Parameters, reading: Reading, rule: str
) -> tuple[FloatArray, FloatArray]:
    """Decay and input gain of LI, LIF, CubaLI, CubaLIF."""
    name = "tau" if "tau" in values else "tau_mem"
    rate = _rate(entry, name, values[name] * reading.tau_factor, reading)
    alpha = _decay(rate, reading.decay, reading)
    if rule != "file":
        return alpha, {
            "unit": np.asarray(1.0),
            "one_minus_decay": 1 - alpha,
            "decay": alpha,
        }[rule]
    r = values["r"]
    # An infinite r beside an infinite tau is how a perfect integrator is written: gain 1.
    endless = np.isinf(r) & (rate == 0)
    if (np.isinf(r) & ~endless).any():
        raise entry.fail(f"'r' is infinite where {name!r} is not.")
    part = rate if reading.decay == "euler" else 1 - alpha
    return alpha, np.where(endless, 1.0, np.where(np.isinf(r), 0.0, r) * part)


def _synapse(
    entry: NodeEntry, values: Parameters, reading: Reading
) -> tuple[FloatArray, FloatArray]:
    """Decay of the synaptic state and gain of its input."""
    if reading.tau_syn is not None:
        tau = np.asarray(reading.tau_syn)
    else:
        tau = values["tau_syn"] * reading.tau_factor
    rate = _rate(entry, "tau_syn", tau, reading)
    alpha = _decay(rate, reading.syn_decay, reading)
    gain = np.asarray(1.0)
    if reading.syn_gain == "file":
        part = rate if reading.syn_decay == "euler" else 1 - alpha
        gain = values.get("w_in", gain) * part
    return alpha, gain * alpha if reading.syn_update == "add_then_decay" else gain


def _rate(entry: NodeEntry, name: str, tau: FloatArray, reading: Reading) -> FloatArray:
    """dt / tau."""
    if (tau == 0).any() or ((tau < 0).any() and reading.decay_clamp is None):
        raise entry.fail(f"{name!r} is {float(tau.min()):g}; a time constant above 0 is needed.")
    return np.asarray(reading.tick / tau)


def _decay(rate: FloatArray, rule: str, reading: Reading) -> FloatArray:
    """Share of a state that is left after one tick."""
    if rule == "none":
        return np.ones_like(rate)
    alpha = np.asarray(1 - rate if rule == "euler" else np.exp(-rate))
    return alpha if reading.decay_clamp is None else np.clip(alpha, *reading.decay_clamp)
